"""What operators see and are told: alarms and their topics, the dashboard, saved queries, groups of traces, the budget.

    ObservabilityStack   in the environment's region
    EdgeAlarmsStack      in us-east-1, where CloudFront and its firewall are measured; only where all is watched

They stand last: nothing depends on them, so that an alarm is changed without a release.
"""

from typing import Any, Final, TypeVar

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_xray as xray
from constructs import Construct

from deploy import naming
from deploy.environment import Environment, Watch
from deploy.parts.alarms import make_alarms, topics
from deploy.parts.budget import month_budget
from deploy.parts.log_metrics import log_metrics
from deploy.stacks.api import ApiStack
from deploy.stacks.edge import EdgeStack
from deploy.watch import dashboard
from deploy.watch.catalogue import alarms_at_edge, alarms_here
from deploy.watch.queries import SAVED
from deploy.watch.series import Balancer

_Kind = TypeVar("_Kind")

TRACES: Final = {
    "faults": f'service("{naming.SERVICE}") {{ fault = true }}',
    "slow": f'service("{naming.SERVICE}") {{ responsetime > 10 }}',
}
"""Groups that are looked at first. What is traced at all is for the application to say: there are no sampling rules."""


class ObservabilityStack(cdk.Stack):
    """Everything but the edge's alarms."""

    def __init__(self, scope: Construct, name: str, *, settings: Environment, api: ApiStack, **options: Any) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        # The log group is known by its name, and must be there before its lines are counted.
        self.add_stack_dependency(api)
        balancer = _balancer_of(api)
        certificate = _only(api, acm.Certificate).certificate_arn
        alarms = alarms_here(settings, balancer=balancer, certificate=certificate)
        make_alarms(self, settings, alarms, topics(self, settings, alarms))
        log_metrics(self, settings)
        month_budget(self, settings)
        cloudwatch.CfnDashboard(
            self,
            "Dashboard",
            dashboard_name=naming.cluster_name(settings),
            dashboard_body=self.to_json_string(dashboard.body(settings, balancer)),
        )
        for query, text in SAVED.items():
            logs.CfnQueryDefinition(
                self,
                f"Query{query.title().replace(' ', '')}",
                name=f"{naming.SERVICE}/{settings.name}/{query}",
                log_group_names=[naming.log_group(settings)],
                query_string=text,
            )
        for group, expression in TRACES.items():
            xray.CfnGroup(
                self,
                f"Traces{group.title()}",
                group_name=naming.service_name(settings, group),
                filter_expression=expression,
            )


class EdgeAlarmsStack(cdk.Stack):
    """What CloudFront and its firewall are watched by, with topics of their own: alarms tell within their region."""

    def __init__(self, scope: Construct, name: str, *, settings: Environment, edge: EdgeStack, **options: Any) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        alarms = alarms_at_edge(
            settings,
            distribution_id=_only(edge, cloudfront.Distribution).distribution_id,
            certificate=_only(edge, acm.Certificate).certificate_arn,
        )
        make_alarms(self, settings, alarms, topics(self, settings, alarms, where="edge-"))


def watches_edge(env: Environment) -> bool:
    """Whether the environment has a stack of alarms in us-east-1."""
    return env.watch is not Watch.LITTLE


def _balancer_of(api: ApiStack) -> Balancer:
    groups = [child for child in api.node.children if isinstance(child, elb.ApplicationTargetGroup)]
    return Balancer(
        full_name=api.balancer.load_balancer_full_name,
        groups=tuple(group.target_group_full_name for group in groups),
    )


def _only(stack: cdk.Stack, kind: type[_Kind]) -> _Kind:
    (only,) = (child for child in stack.node.children if isinstance(child, kind))
    return only
