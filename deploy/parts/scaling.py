"""How many tasks there are: by the processor, and by the answers in flight, which wait more than they compute."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs

from deploy import naming
from deploy.environment import Environment
from deploy.parts.alarms import metric_of
from deploy.watch.series import of_application
from eloquent.foundation.telemetry.metric_names import STREAMS_IN_FLIGHT

CPU_PERCENT: Final = 60
OUT_AFTER: Final = cdk.Duration.seconds(60)
IN_AFTER: Final = cdk.Duration.minutes(10)
"""A task is missed more quickly than it is spared: each that leaves has answers to finish."""


def scale_with_load(service: ecs.FargateService, env: Environment) -> None:
    """More tasks as soon as either is above its aim, fewer when both are below."""
    count = service.auto_scale_task_count(min_capacity=env.tasks_least, max_capacity=env.tasks_most)
    count.scale_on_cpu_utilization(
        "Processor",
        policy_name=naming.service_name(env, "cpu"),
        target_utilization_percent=CPU_PERCENT,
        scale_out_cooldown=OUT_AFTER,
        scale_in_cooldown=IN_AFTER,
    )
    count.scale_to_track_custom_metric(
        "Streams",
        policy_name=naming.service_name(env, "streams"),
        # Each process says its own number, so the average is a process's share of all answers.
        metric=metric_of(of_application(env, STREAMS_IN_FLIGHT, "Average")),
        target_value=env.streams_a_task / env.workers,
        scale_out_cooldown=OUT_AFTER,
        scale_in_cooldown=IN_AFTER,
    )
