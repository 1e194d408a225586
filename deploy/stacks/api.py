"""The application: the load balancer inside the network, the service behind it, and how both grow and are replaced."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts.balancer import balancer
from deploy.parts.borrowed import borrowed_group, private_subnets
from deploy.parts.release import api_service
from deploy.parts.release_alarms import release_alarms
from deploy.parts.scaling import scale_with_load
from deploy.parts.task import api_task
from deploy.stacks.data import DataStack
from deploy.stacks.migration import MigrationStack
from deploy.stacks.network import NetworkStack


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
        migration: MigrationStack,
        tag: str,
        **options: Any,
    ) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        task = api_task(
            self,
            settings,
            tag=tag,
            secret_arns=data.secret_arns,
            group=logs.LogGroup.from_log_group_name(self, "Logs", naming.log_group(settings)),
            starting=migration.starting,
            answering=migration.answering,
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
            task=task,
            subnets=subnets,
            group=borrowed_group(self, "ApiGroup", network.groups.api),
            balancer=front,
            alarms=release_alarms(self, settings, front),
            roles=[migration.starting, migration.answering],
        )
        scale_with_load(service, settings)
        self.balancer = front.itself
        """What CloudFront's way into the network leads to."""


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
