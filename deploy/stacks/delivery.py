"""Who may deliver: the repository's workflows, by a token of GitHub's that is good for minutes. No key lies anywhere.

Two roles an environment, each for jobs of the GitHub environment of the same name and nobody else: one pushes images,
the other deploys. What a job in another environment, on a fork or in a pull request says of itself fits neither.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy import naming
from deploy.environment import EDGE_REGION, Environment, Release
from deploy.environments import ENVIRONMENTS
from deploy.parts.release import CODEDEPLOY_CONFIG, release_alarm_names
from deploy.stacks.migration import MigrationStack

ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
PUSHES: Final = "push"
DEPLOYS: Final = "deploy"
SESSION: Final = cdk.Duration.hours(2)
"""A blue-green deployment, its migrations and the way back, with the time that they may take."""
CDK_QUALIFIER: Final = "hnb659fds"
CDK_ROLES: Final = ("deploy", "file-publishing", "lookup")
"""Of those that `cdk bootstrap` makes. No image is built by CDK, so nobody publishes one through it."""


class DeliveryStack(cdk.Stack):
    """The roles, and GitHub as somebody who is believed.

    IAM knows an issuer once in an account: of environments that share one, the first has it and the others use it.
    """

    def __init__(
        self, scope: Construct, name: str, *, settings: Environment, migration: MigrationStack, env: cdk.Environment
    ) -> None:
        super().__init__(scope, name, env=env, termination_protection=settings.protected)
        self._provider: iam.CfnOIDCProvider | None = None
        if brings_issuer(settings):
            self._provider = iam.CfnOIDCProvider(self, "GitHub", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
            # Another environment may be using it.
            self._provider.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        self._role(settings, PUSHES, _pushing(settings))
        self._role(settings, DEPLOYS, _deploying(settings, _task_roles(migration)))

    def _role(self, env: Environment, what: str, statements: Iterator[iam.PolicyStatement]) -> None:
        """A role whose policy is written once, here; its name is known to `deploy/place.py`."""
        role = iam.CfnRole(
            self,
            what.capitalize(),
            role_name=naming.service_name(env, what),
            description=f"What the workflows of {env.repository} may do in {env.name}",
            assume_role_policy_document=trust(env),
            max_session_duration=SESSION.to_seconds(),
            policies=[
                iam.CfnRole.PolicyProperty(
                    policy_name=what,
                    policy_document=iam.PolicyDocument(statements=list(statements)),
                )
            ],
        )
        if self._provider is not None:
            role.add_resource_dependency(self._provider)


def brings_issuer(env: Environment) -> bool:
    """Whether this environment's stack makes the issuer known to the account."""
    return next(each.name for each in ENVIRONMENTS.values() if each.account == env.account) == env.name


def trust(env: Environment) -> dict[str, object]:
    """Jobs of this repository in the GitHub environment of this name: exactly, with no pattern in it."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": f"arn:aws:iam::{env.account}:oidc-provider/{ISSUER}"},
                "Condition": {
                    "StringEquals": {
                        f"{ISSUER}:aud": AUDIENCE,
                        f"{ISSUER}:sub": env.subject,
                    }
                },
            }
        ],
    }


def _pushing(env: Environment) -> Iterator[iam.PolicyStatement]:
    yield iam.PolicyStatement(sid="RegistryToken", actions=["ecr:GetAuthorizationToken"], resources=["*"])
    yield iam.PolicyStatement(
        sid="Push",
        actions=[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeImageScanFindings",
            "ecr:DescribeImages",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ],
        resources=[_repository(env)],
    )


def _deploying(env: Environment, task_roles: Sequence[str]) -> Iterator[iam.PolicyStatement]:
    cluster, service = naming.cluster_name(env), naming.service_name(env)
    migration = naming.service_name(env, "migration")
    yield iam.PolicyStatement(
        sid="Cdk",
        actions=["sts:AssumeRole"],
        resources=[
            f"arn:aws:iam::{env.account}:role/cdk-{CDK_QUALIFIER}-{role}-role-{env.account}-{region}"
            for region in sorted({env.region, EDGE_REGION})
            for role in CDK_ROLES
        ],
    )
    yield iam.PolicyStatement(
        sid="Service",
        actions=[
            "ecs:DescribeServices",
            "ecs:ListServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "ecs:UpdateService",
        ],
        resources=[
            _ecs(env, f"service/{cluster}/{service}"),
            _ecs(env, f"service-deployment/{cluster}/{service}/*"),
            _ecs(env, f"service-revision/{cluster}/{service}/*"),
        ],
    )
    if env.release is Release.CODEDEPLOY:
        yield from _codedeploying(env)
    # AWS asks for a definition by no name. Whatever is registered runs as the two roles below, or not at all.
    yield iam.PolicyStatement(
        sid="Definitions",
        actions=["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"],
        resources=["*"],
    )
    yield iam.PolicyStatement(
        sid="Migrate",
        actions=["ecs:RunTask"],
        resources=[_ecs(env, f"task-definition/{migration}:*")],
        conditions={"ArnEquals": {"ecs:cluster": _ecs(env, f"cluster/{cluster}")}},
    )
    yield iam.PolicyStatement(
        sid="Tasks", actions=["ecs:DescribeTasks", "ecs:StopTask"], resources=[_ecs(env, f"task/{cluster}/*")]
    )
    yield iam.PolicyStatement(
        sid="TaskRoles",
        actions=["iam:PassRole"],
        resources=list(task_roles),
        conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    )
    yield iam.PolicyStatement(
        sid="Log",
        actions=["logs:GetLogEvents"],
        resources=[f"arn:aws:logs:{env.region}:{env.account}:log-group:{naming.log_group(env)}:log-stream:migration/*"],
    )
    yield iam.PolicyStatement(
        sid="Alarms",
        actions=["cloudwatch:DescribeAlarms"],
        resources=[
            f"arn:aws:cloudwatch:{env.region}:{env.account}:alarm:{alarm}" for alarm in release_alarm_names(env)
        ],
    )
    yield iam.PolicyStatement(sid="Images", actions=["ecr:DescribeImages"], resources=[_repository(env)])
    # Where a task that runs once has to run.
    yield iam.PolicyStatement(
        sid="Outputs",
        actions=["cloudformation:DescribeStacks"],
        resources=[f"arn:aws:cloudformation:{env.region}:{env.account}:stack/{naming.stack_name(env, 'migration')}/*"],
    )


def _codedeploying(env: Environment) -> Iterator[iam.PolicyStatement]:
    """What `deploy/commands/codedeploy.py` asks; who creates a deployment has to be let see how it is led and what."""
    name, at = naming.service_name(env), f"arn:aws:codedeploy:{env.region}:{env.account}"
    yield iam.PolicyStatement(
        sid="CodeDeploy",
        actions=[
            "codedeploy:BatchGetDeployments",
            "codedeploy:CreateDeployment",
            "codedeploy:GetDeployment",
            "codedeploy:ListDeployments",
        ],
        resources=[f"{at}:deploymentgroup:{name}/{name}"],
    )
    yield iam.PolicyStatement(
        sid="CodeDeployRevisions",
        actions=["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"],
        resources=[f"{at}:application:{name}"],
    )
    yield iam.PolicyStatement(
        sid="CodeDeployConfig",
        actions=["codedeploy:GetDeploymentConfig"],
        resources=[f"{at}:deploymentconfig:{CODEDEPLOY_CONFIG}"],
    )


def _task_roles(migration: MigrationStack) -> list[str]:
    """Of the application's tasks: what starts them, and what runs in them."""
    return [migration.starting.role_arn, migration.answering.role_arn]


def _repository(env: Environment) -> str:
    return f"arn:aws:ecr:{env.region}:{env.account}:repository/{naming.API_REPOSITORY}"


def _ecs(env: Environment, what: str) -> str:
    return f"arn:aws:ecs:{env.region}:{env.account}:{what}"
