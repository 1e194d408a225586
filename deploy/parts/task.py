"""The application's task: its container, its settings, and the same image as a task of its own that migrates.

What is no secret comes from Parameter Store, the rest from Secrets Manager; ECS hands both over as the environment, so
the application itself may read neither. What belongs to the release or to the task's own shape is written here.
"""

from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from deploy import naming, parameters
from deploy.environment import Environment
from deploy.parts import sidecar
from deploy.programs import ALIVE, MIGRATE, SERVE
from eloquent.foundation.timeout_chain import STOP_TIMEOUT_S

NAME: Final = "api"
PORT: Final = 8000
OPEN_FILES: Final = 65535
"""A connection is a file. Said, because AWS has changed what it gives by itself."""
LOG_BUFFER_MIB: Final = 25
PLATFORM: Final = ecs.RuntimePlatform(
    operating_system_family=ecs.OperatingSystemFamily.LINUX,
    # What the tests run on runs in the cloud: no wheel of another processor is met there for the first time.
    cpu_architecture=ecs.CpuArchitecture.X86_64,
)
OBSERVED: Final = {"OTEL_EXPORTER_OTLP_ENDPOINT": sidecar.ENDPOINT, "METRICS_FORMAT": "emf"}
"""For a task with the collector beside it."""


def api_task(
    scope: Construct,
    env: Environment,
    *,
    tag: str,
    secret_arns: Mapping[str, str],
    group: logs.ILogGroup,
    starting: iam.Role,
    answering: iam.Role,
) -> ecs.FargateTaskDefinition:
    """What serves, of the release `tag`; its lines go to `group`."""
    service = _definition(scope, "Task", env, family=naming.service_name(env), starting=starting, answering=answering)
    application = service.add_container(
        NAME,
        **_container(scope, env, tag, secret_arns),
        environment=own_settings(env, tag) | OBSERVED,
        command=[*SERVE],
        port_mappings=[ecs.PortMapping(container_port=PORT, name=NAME)],
        ulimits=[ecs.Ulimit(name=ecs.UlimitName.NOFILE, soft_limit=OPEN_FILES, hard_limit=OPEN_FILES)],
        # Alive, not ready: a database that is away is no reason to be killed.
        health_check=ecs.HealthCheck(
            command=["CMD", *ALIVE],
            interval=cdk.Duration.seconds(15),
            timeout=cdk.Duration.seconds(5),
            retries=3,
            start_period=cdk.Duration.seconds(60),
        ),
        logging=log_driver(group, NAME),
    )
    with_own_tmp(service, application)
    collector = sidecar.add_collector(service, env, logging=log_driver(group, sidecar.NAME))
    # What is started first is stopped last: the application's last spans find somebody who takes them.
    application.add_container_dependencies(
        ecs.ContainerDependency(container=collector, condition=ecs.ContainerDependencyCondition.START)
    )
    return service


def migration_task(
    scope: Construct,
    env: Environment,
    *,
    tag: str,
    secret_arns: Mapping[str, str],
    group: logs.ILogGroup,
    starting: iam.Role,
    answering: iam.Role,
) -> ecs.FargateTaskDefinition:
    """What migrates, in the very image that serves afterwards."""
    migration = _definition(
        scope,
        "Migration",
        env,
        family=naming.service_name(env, "migration"),
        starting=starting,
        answering=answering,
    )
    with_own_tmp(
        migration,
        migration.add_container(
            "migration",
            **_container(scope, env, tag, secret_arns),
            environment=own_settings(env, tag),
            command=[*MIGRATE],
            logging=log_driver(group, "migration"),
        ),
    )
    return migration


def _container(scope: Construct, env: Environment, tag: str, secret_arns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image": sidecar.own_image(scope, env, naming.image_of(env, naming.API_REPOSITORY, tag)),
        "secrets": _handed_over(scope, env, secret_arns),
        "user": naming.USER,
        "readonly_root_filesystem": True,
        "stop_timeout": cdk.Duration.seconds(STOP_TIMEOUT_S),
    }


def own_settings(env: Environment, tag: str) -> dict[str, str]:
    """What no operator changes: where it runs and which release it is."""
    return {
        "AWS_REGION": env.region,
        "ELOQUENT_ENV": env.name,
        "ELOQUENT_RELEASE": tag,
        "PRODUCTION_RULES": "true",
        "HOST": "0.0.0.0",  # noqa: S104 - its network lets the load balancer alone come in
        "PORT": str(PORT),
        "OTEL_SERVICE_NAME": naming.SERVICE,
    }


def _definition(
    scope: Construct, name: str, env: Environment, *, family: str, starting: iam.Role, answering: iam.Role
) -> ecs.FargateTaskDefinition:
    return ecs.FargateTaskDefinition(
        scope,
        name,
        family=family,
        cpu=env.task_cpu,
        memory_limit_mib=env.task_memory_mib,
        runtime_platform=PLATFORM,
        # CDK would write rights into both; what they may do stands in task_roles.py alone.
        execution_role=starting.without_policy_updates(),
        task_role=answering.without_policy_updates(),
    )


def _handed_over(scope: Construct, env: Environment, secret_arns: Mapping[str, str]) -> dict[str, ecs.Secret]:
    plain = {
        name: ecs.Secret.from_ssm_parameter(
            ssm.StringParameter.from_string_parameter_arn(scope, f"Parameter{name}", naming.parameter_arn(env, name))
        )
        for name in parameters.plain_settings(env)
    }
    # By the complete ARN, as strings: the key's and the secrets' stack is given no policy from here.
    secret = {
        secret.name: ecs.Secret.from_secrets_manager(
            secretsmanager.Secret.from_secret_complete_arn(scope, f"Secret{secret.name}", secret_arns[secret.name])
        )
        for secret in parameters.secrets_of(env)
    }
    return plain | secret


def log_driver(group: logs.ILogGroup, stream: str) -> ecs.LogDriver:
    """Lines are dropped rather than answers held up when CloudWatch is slow. A line of EMF there becomes metrics."""
    return ecs.LogDriver.aws_logs(
        log_group=group,
        stream_prefix=stream,
        mode=ecs.AwsLogDriverMode.NON_BLOCKING,
        max_buffer_size=cdk.Size.mebibytes(LOG_BUFFER_MIB),
    )


def with_own_tmp(task: ecs.TaskDefinition, container: ecs.ContainerDefinition) -> None:
    """Give it a /tmp that no other container of the task sees; the rest of its disk cannot be written to.

    The image's `VOLUME /tmp` is what gives it the rights of a /tmp rather than root's alone.
    """
    volume = f"tmp-{container.container_name}"
    task.add_volume(name=volume)
    container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume=volume, read_only=False))  # noqa: S108
