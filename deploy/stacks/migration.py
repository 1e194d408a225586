"""What must be there before a release serves: who its tasks are, where their lines go, and the task that migrates.

A stack of its own before the service's, because the service's tasks are not ready until the migrations are applied: at
the very first deployment there would be nothing to apply them with.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy import naming, parameters
from deploy.environment import Environment
from deploy.parts import retention
from deploy.parts.borrowed import private_subnets
from deploy.parts.task import migration_task
from deploy.parts.task_roles import answering_role, starting_role
from deploy.stacks.data import DataStack
from deploy.stacks.network import NetworkStack

REPOSITORIES: Final = (naming.API_REPOSITORY, naming.COLLECTOR_REPOSITORY)


class MigrationStack(cdk.Stack):
    """The application's roles and log, and its migrations as a task that runs once."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        settings: Environment,
        network: NetworkStack,
        data: DataStack,
        tag: str,
        **options: Any,
    ) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=naming.log_group(settings),
            retention=retention.days(settings),
            removal_policy=retention.of_data(settings),
        )
        self.starting = starting_role(
            self,
            "Starting",
            settings,
            repositories=REPOSITORIES,
            log_groups=[naming.log_group(settings)],
            settings=[*parameters.plain_settings(settings)],
            secret_arns=[*data.secret_arns.values()],
            key_arn=data.key_arn,
        )
        """What starts the application's tasks (their execution role)."""
        self.answering = answering_role(
            self, "Answering", settings, files_bucket=data.files_bucket_name, key_arn=data.key_arn
        )
        """What runs in them (their task role)."""
        migration_task(
            self,
            settings,
            tag=tag,
            secret_arns=data.secret_arns,
            group=group,
            starting=self.starting,
            answering=self.answering,
        )
        subnets = private_subnets(network.vpc).subnets or []
        # What whoever runs it has to say.
        cdk.CfnOutput(self, "MigrationSubnets", value=cdk.Fn.join(",", [each.subnet_id for each in subnets]))
        cdk.CfnOutput(self, "MigrationGroup", value=network.groups.api.security_group_id)
