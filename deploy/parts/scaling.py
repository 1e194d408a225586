"""How many tasks there are: by the processor, and by the answers in flight, which wait more than they compute."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs

from deploy import naming
from deploy.environment import Environment
from eloquent.foundation.telemetry.metric_names import NAMESPACE, STREAMS_IN_FLIGHT

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
        metric=cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=STREAMS_IN_FLIGHT.name,
            dimensions_map={"Environment": env.name, "Service": naming.SERVICE},
            # Each process says its own number, so the average is a process's share of all answers.
            statistic="Average",
            period=cdk.Duration.minutes(1),
        ),
        target_value=env.streams_a_task / env.workers,
        scale_out_cooldown=OUT_AFTER,
        scale_in_cooldown=IN_AFTER,
    )
