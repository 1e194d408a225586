"""What the firewall at the edge stops before it reaches the network, and what it must leave alone.

AWS's rules judge bodies as if they were forms. Ours are conversations, in which people show code, paths, addresses and
attacks and ask about them: below the interfaces' paths such a finding is counted, elsewhere it is stopped. How much a
body may be is the application's to say, and so the rule about sizes only counts. MongoDB speaks no SQL: AWS's rules
about it are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts import retention

WORDS_OF_PEOPLE: Final = ("/api/", "/v1/")
"""Below these, bodies and questions are what people and programs say to each other."""
SIGN_IN: Final = "/api/v1/auth/"
BY_THEMSELVES: Final = ("/api/v1/auth/refresh", "/api/v1/auth/socket-ticket")
"""Asked by pages that are signed in, and by a whole office at once when a release has closed its sockets."""

REQUESTS_IN_5_MIN: Final = 3_000
"""From one address. An office behind one is many people; each of them asks a few times a minute."""
SIGN_INS_IN_5_MIN: Final = 150
WINDOW_S: Final = 300
BODY_BYTES: Final = "KB_16"
"""Looked at of each body: what costs nothing more."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of AWS's rules. `counted` are counted everywhere; `excused` are rule → label, stopped elsewhere only."""

    name: str
    excused: tuple[tuple[str, str], ...] = ()
    counted: tuple[str, ...] = ()


_CORE: Final = "awswaf:managed:aws:core-rule-set:"
_KNOWN: Final = "awswaf:managed:aws:known-bad-inputs:"
# Rules and labels: https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
GROUPS: Final = (
    Group("AWSManagedRulesAmazonIpReputationList"),
    Group(
        "AWSManagedRulesCommonRuleSet",
        excused=(
            ("CrossSiteScripting_BODY", f"{_CORE}CrossSiteScripting_Body"),
            ("CrossSiteScripting_QUERYARGUMENTS", f"{_CORE}CrossSiteScripting_QueryArguments"),
            ("EC2MetaDataSSRF_BODY", f"{_CORE}EC2MetaDataSSRF_Body"),
            ("EC2MetaDataSSRF_QUERYARGUMENTS", f"{_CORE}EC2MetaDataSSRF_QueryArguments"),
            ("GenericLFI_BODY", f"{_CORE}GenericLFI_Body"),
            ("GenericLFI_QUERYARGUMENTS", f"{_CORE}GenericLFI_QueryArguments"),
            ("GenericRFI_BODY", f"{_CORE}GenericRFI_Body"),
            ("GenericRFI_QUERYARGUMENTS", f"{_CORE}GenericRFI_QueryArguments"),
            ("RestrictedExtensions_QUERYARGUMENTS", f"{_CORE}RestrictedExtensions_QueryArguments"),
        ),
        counted=("SizeRestrictions_BODY",),
    ),
    Group(
        "AWSManagedRulesKnownBadInputsRuleSet",
        excused=(
            ("JavaDeserializationRCE_BODY", f"{_KNOWN}JavaDeserializationRCE_Body"),
            ("JavaDeserializationRCE_QUERYSTRING", f"{_KNOWN}JavaDeserializationRCE_QueryString"),
            ("Log4JRCE_BODY", f"{_KNOWN}Log4JRCE_Body"),
            ("Log4JRCE_QUERYSTRING", f"{_KNOWN}Log4JRCE_QueryString"),
            ("ReactJSRCE_BODY", f"{_KNOWN}ReactJSRCE_Body"),
        ),
    ),
)

Statement = waf.CfnWebACL.StatementProperty
Rule = waf.CfnWebACL.RuleProperty


def firewall(scope: Construct, env: Environment) -> waf.CfnWebACL:
    """The firewall of CloudFront, which exists in one region only, and its log."""
    acl = waf.CfnWebACL(
        scope,
        "Firewall",
        name=naming.service_name(env, "edge"),
        scope="CLOUDFRONT",
        default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
        rules=list(_rules()),
        visibility_config=_seen("edge"),
        association_config=waf.CfnWebACL.AssociationConfigProperty(
            request_body={
                "CLOUDFRONT": waf.CfnWebACL.RequestBodyAssociatedResourceTypeConfigProperty(
                    default_size_inspection_limit=BODY_BYTES
                )
            }
        ),
    )
    _log(scope, env, acl)
    return acl


def _rules() -> Iterator[Rule]:
    place = count()
    yield _limit(next(place), "sign-ins", SIGN_INS_IN_5_MIN, only=_signing_in())
    yield _limit(next(place), "requests", REQUESTS_IN_5_MIN)
    for group in GROUPS:
        yield _managed(next(place), group)
    # After the groups: it reads the labels that they leave on a request.
    yield _elsewhere(next(place))


def _limit(place: int, name: str, most: int, *, only: Statement | None = None) -> Rule:
    """Refuses an address that asks more often than that. The application's own limits are finer, and by person."""
    return Rule(
        name=name,
        priority=place,
        # 429, as the application itself says it: a program waits and comes again.
        action=waf.CfnWebACL.RuleActionProperty(block={"customResponse": {"responseCode": 429}}),
        statement=Statement(
            rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=most, evaluation_window_sec=WINDOW_S, scope_down_statement=only
            )
        ),
        visibility_config=_seen(name),
    )


def _managed(place: int, group: Group) -> Rule:
    counted = [rule for rule, _ in group.excused] + list(group.counted)
    return Rule(
        name=group.name,
        priority=place,
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        statement=Statement(
            managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=group.name,
                rule_action_overrides=[
                    waf.CfnWebACL.RuleActionOverrideProperty(
                        name=rule, action_to_use=waf.CfnWebACL.RuleActionProperty(count={})
                    )
                    for rule in counted
                ]
                or None,
            )
        ),
        visibility_config=_seen(group.name),
    )


def _elsewhere(place: int) -> Rule:
    """Stops what was only counted, where people's words do not go."""
    found = [
        Statement(label_match_statement=waf.CfnWebACL.LabelMatchStatementProperty(scope="LABEL", key=label))
        for group in GROUPS
        for _, label in group.excused
    ]
    others = [_not(_below(path)) for path in WORDS_OF_PEOPLE]
    return Rule(
        name="elsewhere",
        priority=place,
        action=waf.CfnWebACL.RuleActionProperty(block={}),
        statement=Statement(
            and_statement=waf.CfnWebACL.AndStatementProperty(
                statements=[
                    Statement(or_statement=waf.CfnWebACL.OrStatementProperty(statements=found)),
                    *others,
                ]
            )
        ),
        visibility_config=_seen("elsewhere"),
    )


def _signing_in() -> Statement:
    others = [_not(_path(path, "EXACTLY")) for path in BY_THEMSELVES]
    return Statement(and_statement=waf.CfnWebACL.AndStatementProperty(statements=[_below(SIGN_IN, read=True), *others]))


def _not(statement: Statement) -> Statement:
    return Statement(not_statement=waf.CfnWebACL.NotStatementProperty(statement=statement))


def _below(path: str, *, read: bool = False) -> Statement:
    return _path(path, "STARTS_WITH", read=read)


def _path(path: str, how: str, *, read: bool = False) -> Statement:
    # A limit is for the path as the application reads it: `/%61pi/` is no way around. An exception is for the path as
    # it was written: `/x/../api/` is no way into one.
    kinds = ("URL_DECODE", "NORMALIZE_PATH") if read else ("NONE",)
    return Statement(
        byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint=how,
            search_string=path,
            text_transformations=[
                waf.CfnWebACL.TextTransformationProperty(priority=place, type=kind) for place, kind in enumerate(kinds)
            ],
        )
    )


def _seen(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    # No samples: AWS would keep people's requests for three hours.
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )


def _log(scope: Construct, env: Environment, acl: waf.CfnWebACL) -> None:
    """What was stopped or counted; never a token, a cookie, or the question of an address (it may hold a ticket)."""
    name = f"aws-waf-logs-{naming.service_name(env, 'edge')}"  # AWS asks for this beginning
    group = logs.LogGroup(
        scope,
        "FirewallLogs",
        log_group_name=name,
        retention=retention.days(env),
        removal_policy=retention.of_data(env),
    )
    logging = waf.CfnLoggingConfiguration(
        scope,
        "FirewallLogging",
        resource_arn=acl.attr_arn,
        # Without the `:*` that CloudFormation's own attribute ends in, which WAF refuses.
        log_destination_configs=[f"arn:aws:logs:{cdk.Stack.of(scope).region}:{env.account}:log-group:{name}"],
        redacted_fields=[
            waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": "authorization"}),
            waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": "cookie"}),
            waf.CfnLoggingConfiguration.FieldToMatchProperty(query_string={}),
        ],
        logging_filter={
            "DefaultBehavior": "DROP",
            "Filters": [
                {
                    "Behavior": "KEEP",
                    "Requirement": "MEETS_ANY",
                    "Conditions": [{"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT")],
                }
            ],
        },
    )
    logging.node.add_dependency(group)
