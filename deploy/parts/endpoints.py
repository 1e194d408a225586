"""AWS's own services inside the network, and what may be done through each.

An endpoint's policy is a second lock: whatever a role is allowed, through here it reaches this account's things alone,
so that stolen credentials of somebody else's account cannot carry data out. Each endpoint costs by the hour and zone:
only those are made that the environment needs (`Environment.private_endpoints`). S3's is free and always there.

Secrets Manager, Parameter Store and S3 decrypt with our key on their own side: KMS needs no endpoint. Roles of tasks
come from an address of the host itself: neither does STS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy import naming
from deploy.environment import Answering, AtlasRoad, Environment
from deploy.parts.bedrock_access import ACTIONS as BEDROCK_ACTIONS
from deploy.parts.bedrock_access import bedrock_grants
from deploy.parts.security_groups import MONGODB_PORT, SecurityGroups

# A service's name is written out: CDK's own list would make a policy's actions no shorter to find.
_IMAGES: Final = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A service and what may be done through its endpoint: actions by resource."""

    service: str
    allowed: Mapping[str, tuple[str, ...]]

    def policy(self, env: Environment) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=list(actions),
                resources=[resource],
                conditions={"StringEquals": {"aws:PrincipalAccount": env.account}},
            )
            for resource, actions in self.allowed.items()
        ]


def s3_policy(env: Environment) -> list[iam.PolicyStatement]:
    """What may be done with S3 from inside: our buckets, and the layers of our images.

    ECR keeps layers in a bucket of AWS's own, which is read with an address that ECR signed.
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    ours = f"arn:aws:s3:::{naming.bucket_name(env, '*')}"
    return [
        *_Endpoint(
            "s3",
            {
                ours: ("s3:ListBucket",),
                f"{ours}/*": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
            },
        ).policy(env),
        iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"],
            resources=[f"arn:aws:s3:::prod-{env.region}-starport-layer-bucket/*"],
        ),
    ]


def interface_endpoints(scope: Construct, vpc: ec2.Vpc, groups: SecurityGroups, env: Environment) -> None:
    """Make the endpoints that the environment needs; Atlas's among them."""
    if groups.endpoints is not None:
        for endpoint in _needed(env):
            made = vpc.add_interface_endpoint(
                endpoint.service,
                # The name as the region calls it, written out: endpoints' names hold no token then.
                service=ec2.InterfaceVpcEndpointService(f"com.amazonaws.{env.region}.{endpoint.service}", 443),
                private_dns_enabled=True,
                open=False,
                security_groups=[groups.endpoints],
                subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            )
            for statement in endpoint.policy(env):
                made.add_to_policy(statement)
    if env.atlas is AtlasRoad.PRIVATELINK and groups.atlas is not None:
        # Its names (`…-pl-0.….mongodb.net`) are public ones that lead to these private addresses. It has no policy.
        made = ec2.InterfaceVpcEndpoint(
            scope,
            "atlas-endpoint",
            vpc=vpc,
            service=ec2.InterfaceVpcEndpointService(env.atlas_service_name, MONGODB_PORT),
            private_dns_enabled=False,
            open=False,
            security_groups=[groups.atlas],
            subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
        )
        # Atlas accepts the one whose id it was told.
        cdk.CfnOutput(scope, "AtlasEndpointId", value=made.vpc_endpoint_id)


def _needed(env: Environment) -> Iterator[_Endpoint]:
    here = f"{env.region}:{env.account}"
    path = f"{naming.SERVICE}/{env.name}"
    yield _Endpoint("ecr.api", {"*": ("ecr:GetAuthorizationToken",), f"arn:aws:ecr:{here}:repository/*": _IMAGES})
    yield _Endpoint("ecr.dkr", {"*": ("ecr:GetAuthorizationToken",), f"arn:aws:ecr:{here}:repository/*": _IMAGES})
    streams = f"arn:aws:logs:{here}:log-group:/{path}/*"
    yield _Endpoint("logs", {streams: ("logs:CreateLogStream", "logs:PutLogEvents")})
    secrets = [f"/{path}/*"]
    if Answering.OLLAMA in env.answering:
        secrets += [f"{naming.model_identity(env)}-??????"]  # what AWS puts behind a secret's name
    read = ("secretsmanager:GetSecretValue",)
    yield _Endpoint("secretsmanager", {f"arn:aws:secretsmanager:{here}:secret:{each}": read for each in secrets})
    yield _Endpoint("ssm", {f"arn:aws:ssm:{here}:parameter/{path}/*": ("ssm:GetParameters",)})
    yield _Endpoint("xray", {"*": ("xray:PutTraceSegments",)})
    # SES's API; that for SMTP is another one (`email-smtp`).
    yield _Endpoint("email", {f"arn:aws:ses:{here}:identity/*": ("ses:SendEmail", "ses:SendRawEmail")})
    if Answering.BEDROCK in env.answering:
        asked = {resource: BEDROCK_ACTIONS for grant in bedrock_grants(env) for resource in grant.resources}
        yield _Endpoint("bedrock-runtime", asked)
    if Answering.OLLAMA in env.answering:
        # The agent on each of its hosts, which registers itself and takes orders.
        for service in ("ecs", "ecs-agent", "ecs-telemetry"):
            yield _Endpoint(service, {"*": _AGENT})


_AGENT: Final = (
    *("ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:StartTelemetrySession"),
    *("ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance", "ecs:UpdateContainerInstancesState"),
    *("ecs:SubmitAttachmentStateChanges", "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange"),
)


PRIVATE: Final = "private"
"""The subnets in which everything of ours lies, whether they have a way out or not."""
