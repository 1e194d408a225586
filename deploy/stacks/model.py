"""Our own language model: Ollama on hosts with graphics processors, which the application alone reaches.

Only where Ollama answers. Its image holds the model, so a host that is replaced needs the registry and nothing of the
internet. Its cluster is its own: a cluster must know its supplies of capacity, and the Network stack's would need this.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from deploy import naming
from deploy.environment import Answering, Environment
from deploy.parts import retention
from deploy.parts.borrowed import borrowed_group, private_subnets
from deploy.parts.model_hosts import model_hosts
from deploy.parts.model_scaling import scale_with_waiting
from deploy.parts.sidecar import own_image
from deploy.parts.task import log_driver, with_own_tmp
from deploy.parts.task_roles import powerless_role, starting_role
from deploy.stacks.data import DataStack
from deploy.stacks.network import NetworkStack

NAME: Final = "ollama"
TLS: Final = "tls"
PLAIN: Final = "127.0.0.1:11435"
"""Where Ollama itself listens, which speaks no TLS: inside its task, reached by what stands in front of it alone."""
TLS_MEMORY_MIB: Final = 64
MEMORY_MIB: Final = 12288
"""Reserved of the host's 16 GiB, of which the driver and the agent have theirs; the model itself lies on the GPU."""
WINDOW_TOKENS: Final = 8192
STOP_TIMEOUT_S: Final = 120


def answers_itself(env: Environment) -> bool:
    """Whether the environment has a model of its own, and with it this stack."""
    return Answering.OLLAMA in env.answering


class ModelStack(cdk.Stack):
    """Ollama, at `naming.ollama_host`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        settings: Environment,
        network: NetworkStack,
        data: DataStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        assert network.groups.model is not None  # noqa: S101 - it is there wherever Ollama answers
        group = borrowed_group(self, "ModelGroup", network.groups.model)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=naming.service_name(settings, "model"),
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        supply = model_hosts(
            self, settings, vpc=network.vpc, group=group, cluster=naming.service_name(settings, "model")
        )
        cluster.add_asg_capacity_provider(supply)
        starting = starting_role(
            self,
            "Starting",
            settings,
            repositories=[naming.OLLAMA_REPOSITORY],
            log_groups=[naming.log_group(settings, NAME)],
            secret_arns=[data.identity_arn],
            key_arn=data.key_arn,
        )
        service = ecs.Ec2Service(
            self,
            "Service",
            service_name=naming.service_name(settings, "model"),
            cluster=cluster,
            task_definition=_task(self, settings, starting, data.identity_arn),
            vpc_subnets=private_subnets(network.vpc),
            security_groups=[group],
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(capacity_provider=supply.capacity_provider_name, weight=1)
            ],
            # A host has one GPU and a task wants one: what is new takes the place of what is old. Another host, or who
            # answers instead, serves meanwhile.
            min_healthy_percent=50 if settings.ollama_hosts > 1 else 0,
            max_healthy_percent=100,
            placement_constraints=[ecs.PlacementConstraint.distinct_instances()],
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            cloud_map_options=ecs.CloudMapOptions(
                name=NAME,
                cloud_map_namespace=network.namespace,
                dns_record_type=discovery.DnsRecordType.A,
                # A host that went is forgotten as quickly.
                dns_ttl=cdk.Duration.seconds(10),
            ),
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        # Its hosts fetch the image as soon as the service is there.
        service.node.add_dependency(starting)
        # What says that they belong to the cluster is a resource of its own, which CDK makes below the cluster at last:
        # a service that comes before it, or goes after it, is refused.
        made = service.node.find_child("Service")
        made.node.add_dependency(cluster)
        if isinstance(made, ecs.CfnService):
            # The cluster itself is named twice by that: as where it runs, and as what must be there first.
            made.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3005"]}})
        scale_with_waiting(self, settings, service)


def _task(scope: Construct, env: Environment, starting: iam.Role, identity_arn: str) -> ecs.Ec2TaskDefinition:
    name = naming.log_group(env, NAME)
    lines = logs.LogGroup(
        scope,
        "Logs",
        log_group_name=name,
        retention=retention.days(env),
        removal_policy=retention.of_data(env),
    )
    task = ecs.Ec2TaskDefinition(
        scope,
        "Task",
        family=naming.service_name(env, "model"),
        network_mode=ecs.NetworkMode.AWS_VPC,
        execution_role=starting.without_policy_updates(),
        task_role=powerless_role(scope, "Answering", env).without_policy_updates(),
    )
    image = own_image(scope, env, naming.ollama_image(env))
    container = task.add_container(
        NAME,
        image=image,
        gpu_count=1,
        memory_reservation_mib=MEMORY_MIB,
        environment={
            "OLLAMA_HOST": PLAIN,
            "OLLAMA_MODEL": env.ollama_model,
            # The model stays on the GPU, and there is one.
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_MAX_LOADED_MODELS": "1",
            "OLLAMA_NUM_PARALLEL": str(env.answers_at_once),
            "OLLAMA_CONTEXT_LENGTH": str(WINDOW_TOKENS),
            # All that the application lets through may wait at one host, while the others are still to come.
            "OLLAMA_MAX_QUEUE": str(env.answers_at_once * env.models_most),
            # Nothing is fetched from the internet, and no model is thrown away.
            "OLLAMA_NOPRUNE": "1",
        },
        user=naming.USER,
        readonly_root_filesystem=True,
        # Loaded, not only started: the first to ask would wait for the disk else.
        health_check=ecs.HealthCheck(
            command=["CMD-SHELL", 'ollama ps | grep -qF "$OLLAMA_MODEL"'],
            interval=cdk.Duration.seconds(15),
            timeout=cdk.Duration.seconds(10),
            retries=4,
            start_period=cdk.Duration.seconds(300),
        ),
        stop_timeout=cdk.Duration.seconds(STOP_TIMEOUT_S),
        logging=log_driver(lines, NAME),
    )
    front = task.add_container(
        TLS,
        image=image,
        entry_point=["/usr/local/bin/ollama-tls"],
        # The complete ARN, as a string: the secret's stack is given no policy from here.
        secrets={
            "IDENTITY": ecs.Secret.from_secrets_manager(
                secretsmanager.Secret.from_secret_complete_arn(scope, "Identity", identity_arn)
            )
        },
        memory_reservation_mib=TLS_MEMORY_MIB,
        port_mappings=[ecs.PortMapping(container_port=naming.OLLAMA_PORT)],
        user=naming.USER,
        readonly_root_filesystem=True,
        stop_timeout=cdk.Duration.seconds(STOP_TIMEOUT_S),
        logging=log_driver(lines, TLS),
    )
    # What is started first is stopped last: answers that Ollama ends still find their way out.
    container.add_container_dependencies(
        ecs.ContainerDependency(container=front, condition=ecs.ContainerDependencyCondition.START)
    )
    for each in (container, front):
        with_own_tmp(task, each)
    return task
