"""The application: the load balancer inside the network, the service behind it, and how both grow and are replaced."""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts import retention
from deploy.parts.balancer import balancer
from deploy.parts.borrowed import borrowed_group, private_subnets
from deploy.parts.release import api_service
from deploy.parts.release_alarms import release_alarms
from deploy.parts.scaling import scale_with_load
from deploy.parts.task import api_tasks
from deploy.parts.task_roles import answering_role, starting_role
from deploy.stacks.data import DataStack
from deploy.stacks.network import NetworkStack

REPOSITORIES: Final = (naming.API_REPOSITORY, naming.COLLECTOR_REPOSITORY)


class ApiStack(cdk.Stack):
    """Everything between CloudFront and the application's own code."""

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
        starting = starting_role(
            self,
            "Starting",
            settings,
            repositories=REPOSITORIES,
            log_groups=[naming.log_group(settings)],
            secret_arns=data.secret_arns,
            key_arn=data.key_arn,
        )
        answering = answering_role(
            self, "Answering", settings, files_bucket=data.files_bucket_name, key_arn=data.key_arn
        )
        tasks = api_tasks(
            self,
            settings,
            tag=tag,
            secret_arns=data.secret_arns,
            group=group,
            starting=starting,
            answering=answering,
        )
        subnets = private_subnets(network.vpc)
        front = balancer(
            self,
            settings,
            vpc=network.vpc,
            subnets=subnets,
            group=borrowed_group(self, "BalancerGroup", network.groups.balancer),
            certificate=_certificate(self, settings),
            logs_bucket=data.logs_bucket_name,
        )
        service = api_service(
            self,
            settings,
            cluster=network.cluster,
            task=tasks.service,
            subnets=subnets,
            group=borrowed_group(self, "ApiGroup", network.groups.api),
            balancer=front,
            alarms=release_alarms(self, settings, front),
            roles=[starting, answering],
        )
        scale_with_load(service, settings)
        self.balancer = front.itself
        """What CloudFront's way into the network leads to."""
        # What the pipeline needs to run the migrations before the service is changed.
        cdk.CfnOutput(self, "MigrationTask", value=tasks.migration.task_definition_arn)
        cdk.CfnOutput(
            self, "MigrationSubnets", value=cdk.Fn.join(",", [each.subnet_id for each in subnets.subnets or []])
        )
        cdk.CfnOutput(self, "MigrationGroup", value=network.groups.api.security_group_id)


def _certificate(scope: Construct, env: Environment) -> acm.Certificate:
    """For both names that CloudFront may ask for: the domain, passed on as Host, and what it calls its origin."""
    zone = route53.HostedZone.from_hosted_zone_attributes(
        scope, "Zone", hosted_zone_id=env.hosted_zone_id, zone_name=env.hosted_zone_name
    )
    return acm.Certificate(
        scope,
        "Certificate",
        domain_name=env.domain,
        subject_alternative_names=[naming.origin_domain(env)],
        validation=acm.CertificateValidation.from_dns(zone),
    )
