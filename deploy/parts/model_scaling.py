"""How many of our own models there are: by how long people wait for the first word, as the application measures it.

A GPU is busy with a single answer, so neither its use nor the processor's says that another is needed. That wait does,
wherever the queue is: in the application, or inside Ollama. It is measured of our own models alone: a vendor that is
slow would have hosts bought that give nobody an answer.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts.alarms import metric_of
from deploy.watch.series import of_application
from eloquent.foundation.telemetry.metric_names import OWN_MODEL_FIRST_TOKEN

WAITING_TOO_LONG_MS: Final = 5_000
HARDLY_WAITING_MS: Final = 1_500
OUT_AFTER_MIN: Final = 3
OUT_COOLDOWN_MIN: Final = 10
IN_AFTER_MIN: Final = 30
"""A host comes within ten minutes and is paid by the second: it stays for the next rush."""


def scale_with_waiting(scope: Construct, env: Environment, service: ecs.Ec2Service) -> None:
    """One more when the slowest tenth waits too long, one fewer after half an hour in which hardly anybody waited."""
    count = service.auto_scale_task_count(min_capacity=env.ollama_hosts, max_capacity=env.models_most)
    waiting = _alarm(scope, env, "model-waiting", ms=WAITING_TOO_LONG_MS, above=True, minutes=OUT_AFTER_MIN)
    waiting.add_alarm_action(_step(scope, "More", count, by=1, cooldown_min=OUT_COOLDOWN_MIN))
    idle = _alarm(scope, env, "model-idle", ms=HARDLY_WAITING_MS, above=False, minutes=IN_AFTER_MIN)
    idle.add_alarm_action(_step(scope, "Fewer", count, by=-1, cooldown_min=IN_AFTER_MIN))


def _alarm(scope: Construct, env: Environment, name: str, *, ms: int, above: bool, minutes: int) -> cloudwatch.Alarm:
    operators = cloudwatch.ComparisonOperator
    return cloudwatch.Alarm(
        scope,
        name.title().replace("-", ""),
        alarm_name=naming.alarm_name(env, name),
        alarm_description="Changes the number of models. Nobody is woken.",
        metric=metric_of(of_application(env, OWN_MODEL_FIRST_TOKEN, "p90")),
        threshold=ms,
        comparison_operator=operators.GREATER_THAN_THRESHOLD if above else operators.LESS_THAN_THRESHOLD,
        evaluation_periods=minutes,
        datapoints_to_alarm=minutes,
        # Where nobody asked, nothing was measured: that is nobody who waits.
        treat_missing_data=(
            cloudwatch.TreatMissingData.NOT_BREACHING if above else cloudwatch.TreatMissingData.BREACHING
        ),
    )


def _step(
    scope: Construct, name: str, count: ecs.ScalableTaskCount, *, by: int, cooldown_min: int
) -> cloudwatch.IAlarmAction:
    change = autoscaling.StepScalingAction(
        scope,
        name,
        scaling_target=count,
        adjustment_type=autoscaling.AdjustmentType.CHANGE_IN_CAPACITY,
        cooldown=cdk.Duration.minutes(cooldown_min),
    )
    bound = {"lower_bound": 0} if by > 0 else {"upper_bound": 0}
    change.add_adjustment(adjustment=by, **bound)
    return actions.ApplicationScalingAction(change)
