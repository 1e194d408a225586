"""How a new version takes over, as the environment says: the service, and what takes a bad one back.

rolling      tasks are replaced a few at a time; a version that does not come up, or raises an alarm, goes back
blue-green   ECS starts all of the new version, then moves everybody at once, and keeps the old one for `BAKE_MIN`
codedeploy   the same by CodeDeploy: a tenth of the people first, the rest five minutes later. The stack makes the
             definition, and `deploy/release.py` has it deployed
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from deploy import naming
from deploy.environment import Environment, Release
from deploy.parts.balancer import Balancer
from deploy.parts.task import NAME, PORT

BAKE_MIN: Final = 15
"""The old version waits so long to be taken back. Longer than answers last, which end where they were begun."""
GRACE_S: Final = 120
"""From its start a task has so long before its readiness counts: it loads, connects, and is asked twice."""
FARGATE: Final = ecs.FargatePlatformVersion.VERSION1_4
"""What LATEST has been since 2020; named, so that AWS does not decide when we move on."""

CODEDEPLOY_CONFIG: Final = "CodeDeployDefault.ECSCanary10Percent5Minutes"


def api_service(
    scope: Construct,
    env: Environment,
    *,
    cluster: ecs.ICluster,
    task: ecs.FargateTaskDefinition,
    subnets: ec2.SubnetSelection,
    group: ec2.ISecurityGroup,
    balancer: Balancer,
    alarms: list[cloudwatch.Alarm],
    roles: list[iam.Role],
) -> ecs.FargateService:
    """The service behind the balancer. A version during whose release one of the alarms is raised is taken back."""
    service = ecs.FargateService(
        scope,
        "Service",
        service_name=naming.service_name(env),
        cluster=cluster,
        task_definition=task,
        platform_version=FARGATE,
        assign_public_ip=False,
        vpc_subnets=subnets,
        security_groups=[group],
        # All old tasks stay until as many new ones are ready. Below 200, a task that is not ready would be ended before
        # there is another: see docs/decisions/0052.
        min_healthy_percent=100,
        max_healthy_percent=200,
        health_check_grace_period=cdk.Duration.seconds(GRACE_S),
        availability_zone_rebalancing=None
        if env.release is Release.CODEDEPLOY
        else ecs.AvailabilityZoneRebalancing.ENABLED,
        enable_ecs_managed_tags=True,
        propagate_tags=ecs.PropagatedTagSource.SERVICE,
        # Nobody opens a shell in a task that holds people's conversations.
        enable_execute_command=False,
        **_way(env),
    )
    _attach(scope, env, service, balancer)
    # What ECS asks for as soon as the service is there: a way from the listener, alarms, the rights of its roles.
    # (In blue-green it names the rule.)
    ways: dict[Release, list[IDependable]] = {
        Release.ROLLING: [balancer.rule] if balancer.rule is not None else [],
        Release.BLUE_GREEN: [],
        Release.CODEDEPLOY: [balancer.listener],
    }
    service.node.add_dependency(*ways[env.release], *alarms, *roles)
    if env.release is Release.CODEDEPLOY:
        service.node.add_dependency(task)
        # It serves on when the stack has its next one, and may have to come back.
        definition = task.node.default_child
        assert isinstance(definition, cdk.CfnResource)  # noqa: S101 - CDK's promise, for the type
        definition.cfn_options.update_replace_policy = cdk.CfnDeletionPolicy.RETAIN
        _codedeploy(scope, env, service, balancer, alarms)
    return service


def _way(env: Environment) -> dict[str, Any]:
    if env.release is Release.CODEDEPLOY:
        # CloudFormation cannot change such a service's definition. By the family's name it always names the same.
        return {
            "deployment_controller": ecs.DeploymentController(type=ecs.DeploymentControllerType.CODE_DEPLOY),
            "task_definition_revision": ecs.TaskDefinitionRevision.LATEST,
        }
    way = {
        "deployment_controller": ecs.DeploymentController(type=ecs.DeploymentControllerType.ECS),
        "circuit_breaker": ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
        "deployment_alarms": ecs.DeploymentAlarmConfig(
            alarm_names=release_alarm_names(env), behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
        ),
    }
    if env.release is Release.BLUE_GREEN:
        way |= {
            "deployment_strategy": ecs.DeploymentStrategy.BLUE_GREEN,
            "bake_time": cdk.Duration.minutes(BAKE_MIN),
        }
    return way


def release_alarm_names(env: Environment) -> list[str]:
    """By name, as ECS takes them."""
    return [naming.alarm_name(env, what) for what in ("release-errors", "release-unready")]


def _attach(scope: Construct, env: Environment, service: ecs.FargateService, balancer: Balancer) -> None:
    target: dict[str, Any] = {"container_name": NAME, "container_port": PORT}
    if env.release is Release.BLUE_GREEN and balancer.green is not None and balancer.rule is not None:
        target["alternate_target"] = ecs.AlternateTarget(
            "Alternate",
            alternate_target_group=balancer.green,
            production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(balancer.rule),
            role=_moving_role(scope, env),
        )
    service.load_balancer_target(**target).attach_to_application_target_group(balancer.blue)
    made = service.node.find_child("Service")
    if "alternate_target" in target and isinstance(made, ecs.CfnService):
        # CDK names the rule twice: as what the service uses, and as what must be there first.
        made.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3005"]}})


def _moving_role(scope: Construct, env: Environment) -> iam.Role:
    """Who moves people from one group of targets to the other: ECS, for this account."""
    conditions = {"StringEquals": {"aws:SourceAccount": env.account}}
    return iam.Role(
        scope,
        "Moving",
        assumed_by=iam.ServicePrincipal("ecs.amazonaws.com", conditions=conditions),
        managed_policies=[
            iam.ManagedPolicy.from_aws_managed_policy_name("AmazonECSInfrastructureRolePolicyForLoadBalancers")
        ],
    )


def _codedeploy(
    scope: Construct,
    env: Environment,
    service: ecs.FargateService,
    balancer: Balancer,
    alarms: list[cloudwatch.Alarm],
) -> None:
    name = naming.service_name(env)
    application = codedeploy.EcsApplication(scope, "Application", application_name=name)
    assert balancer.green is not None  # noqa: S101 - two groups are what CodeDeploy is about
    codedeploy.EcsDeploymentGroup(
        scope,
        "DeploymentGroup",
        application=application,
        deployment_group_name=name,
        service=service,
        deployment_config=codedeploy.EcsDeploymentConfig.from_ecs_deployment_config_name(
            scope, "Canary", CODEDEPLOY_CONFIG
        ),
        blue_green_deployment_config=codedeploy.EcsBlueGreenDeploymentConfig(
            blue_target_group=balancer.blue,
            green_target_group=balancer.green,
            listener=balancer.listener,
            termination_wait_time=cdk.Duration.minutes(BAKE_MIN),
        ),
        alarms=list(alarms),
        auto_rollback=codedeploy.AutoRollbackConfig(
            failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
        ),
    )
