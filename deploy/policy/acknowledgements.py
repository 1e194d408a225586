"""Findings that we know of and let stand, each with its reason.

What is acknowledged stands in `acknowledged.md`, too, construct by construct, for whoever reviews it: a test compares
with what is really found, so that neither a new finding hides behind an old reason, nor a reason outlives its finding.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import aws_cdk as cdk

from deploy import naming
from deploy.environment import Environment
from deploy.factory import Platform


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One rule's findings in constructs whose path, from the stack's short name on, is like `where`.

    AWS's rules about rights name what they found: the environment's own words stand there as in `without_names`.
    """

    rule: str
    where: str
    reason: str

    def means(self, construct: str) -> bool:
        """Whether this construct is one of them."""
        return fnmatchcase(construct, self.where)


_NO_NARROWER = "AWS knows nothing narrower for these actions; rule ELQ-003 lists them one by one."
_OWN_STREAMS = "The streams of this one log group, whose names AWS makes up."

ACKNOWLEDGED: Final = (
    Acknowledged(
        "AwsSolutions-SMG4",
        "data/secret-*",
        "An owner puts in another value when it is due: what made the value is not in AWS. Earlier keys stay good for "
        "as long as what they signed lives.",
    ),
    Acknowledged(
        "AwsSolutions-SMG4",
        "data/cache-password*",
        "An owner rotates it together with REDIS_URL, which has it inside: both stand in one stack.",
    ),
    Acknowledged(
        "AwsSolutions-SMG4",
        "data/model-identity",
        "It is rotated by a command, in an order that no timer knows: whoever asks must trust the new one first.",
    ),
    Acknowledged(
        "AwsSolutions-AEC4",
        "data/cache",
        "One node is enough for development: what is lost with it is the answers that are being written.",
    ),
    Acknowledged(
        "AwsSolutions-CFR1",
        "edge/Distribution/Resource",
        "Who may use the service is a question of accounts, not of countries.",
    ),
    Acknowledged(
        "AwsSolutions-CFR3",
        "edge/Distribution/Resource",
        "Access logs go the newer way, CloudWatch's delivery into the bucket for logs, which this rule does not know.",
    ),
    *(
        Acknowledged(
            "AwsSolutions-ECS2",
            where,
            "What is plain text are no secrets: those come from Secrets Manager, and rule ELQ-007 holds the names.",
        )
        for where in ("api/Task/Resource", "migration/Migration/Resource", "model/Task/Resource")
    ),
    Acknowledged(
        "AwsSolutions-AS3",
        "model/Hosts/ASG",
        "A host that comes or goes wakes nobody: alarms are on answers that fail or wait.",
    ),
    Acknowledged(
        "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers]",
        "api/Moving/Resource",
        "AWS's own policy for what ECS does while it moves requests to another version; it changes as ECS does.",
    ),
    *(
        Acknowledged("AwsSolutions-IAM5[Resource::*]", where, _NO_NARROWER)
        for where in (
            "migration/Answering/DefaultPolicy/Resource",
            "migration/Starting/DefaultPolicy/Resource",
            "model/Host/DefaultPolicy/Resource",
            "model/Starting/DefaultPolicy/Resource",
        )
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::arn:aws:ecs:{region}:{account}:container-instance/eloquent-{env}-model/*]",
        "model/Host/DefaultPolicy/Resource",
        "A host learns its own number when it registers: these are the hosts of this one cluster.",
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::arn:aws:logs:{{region}}:{{account}}:log-group:{group}]", where, _OWN_STREAMS
        )
        for group, where in (
            ("/eloquent/{env}/api:log-stream:*", "migration/Starting/DefaultPolicy/Resource"),
            ("/eloquent/{env}/ollama:log-stream:*", "model/Starting/DefaultPolicy/Resource"),
            ("/aws/amplify/<App.AppId>:log-stream:*", "frontend/PagesLogs/Resource"),
        )
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::arn:aws:s3:::eloquent-{{env}}-files-{{region}}-{{account}}/{folder}/*]",
            "migration/Answering/DefaultPolicy/Resource",
            "Files of users, each with a key of its own, in this one folder.",
        )
        for folder in ("attachments", "exports")
    ),
    *(
        Acknowledged("AwsSolutions-IAM5[Resource::*]", where, _NO_NARROWER)
        for where in ("delivery/Push", "delivery/Deploy")
    ),
    *(
        Acknowledged(f"AwsSolutions-IAM5[Resource::arn:aws:{what}]", "delivery/Deploy", reason)
        for what, reason in (
            (
                "ecs:{region}:{account}:service-deployment/eloquent-{env}/eloquent-{env}-api/*",
                "Deployments of this one service, which ECS numbers.",
            ),
            (
                "ecs:{region}:{account}:service-revision/eloquent-{env}/eloquent-{env}-api/*",
                "Revisions of this one service, which ECS numbers.",
            ),
            (
                "ecs:{region}:{account}:task-definition/eloquent-{env}-migration:*",
                "Each release has a revision of its own of this one definition.",
            ),
            ("ecs:{region}:{account}:task/eloquent-{env}/*", "A task's number is known when it runs."),
            (
                "cloudformation:{region}:{account}:stack/eloquent-{env}-migration/*",
                "AWS makes up the number of this one stack.",
            ),
            (
                "logs:{region}:{account}:log-group:/eloquent/{env}/api:log-stream:migration/*",
                "A migration's stream is named by its task's number.",
            ),
        )
    ),
)


def without_names(rule: str, env: Environment) -> str:
    """A rule as all environments have it: `{account}`, `{region}` and `{env}` in the place of this one's."""
    named = rule.replace(env.account, "{account}").replace(env.region, "{region}")
    named = named.replace(f"/eloquent-{env.name}/", "/eloquent-{env}/")
    return named.replace(f"eloquent-{env.name}-", "eloquent-{env}-").replace(
        f"/eloquent/{env.name}/", "/eloquent/{env}/"
    )


def with_names(rule: str, env: Environment) -> str:
    """The rule as this environment has it."""
    return rule.replace("{account}", env.account).replace("{region}", env.region).replace("{env}", env.name)


def acknowledge(platform: Platform) -> None:
    """Say of each known finding why it stands."""
    prefix = naming.stack_name(platform.environment, "")
    constructs = [construct for stack in platform.stacks for construct in stack.node.find_all()]
    for construct in constructs:
        path = construct.node.path.removeprefix(prefix)
        for known in ACKNOWLEDGED:
            if known.means(path):
                rule = with_names(known.rule, platform.environment)
                acknowledged = cdk.Acknowledgment(id=rule, reason=known.reason)
                cdk.Validations.of(construct).acknowledge(acknowledged)
