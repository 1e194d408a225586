"""What takes a new version back while it takes over. Quicker than the alarms that wake people, and for machines only.

They stand in the service's own stack: ECS refuses a service whose alarms are not there yet.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from deploy.environment import Environment
from deploy.parts.alarms import metric_of
from deploy.parts.balancer import Balancer
from deploy.parts.release import release_alarm_names
from deploy.watch import series

MINUTE: Final = cdk.Duration.minutes(1)
WORST_SHARE_PERCENT: Final = 5
FEWEST_REQUESTS: Final = 20
"""Below so many a minute one failure would be a large share."""


def release_alarms(scope: Construct, env: Environment, balancer: Balancer) -> list[cloudwatch.Alarm]:
    """The share of requests that fail, and a version none of whose tasks is ready."""
    errors, unready = release_alarm_names(env)
    return [
        _alarm(scope, "ReleaseErrors", errors, _failing_share(balancer.itself), above=WORST_SHARE_PERCENT, minutes=2),
        _alarm(scope, "ReleaseUnready", unready, _unready(balancer), above=0, minutes=5),
    ]


def _failing_share(itself: elb.ApplicationLoadBalancer) -> cloudwatch.IMetric:
    # Both those that the application answers and those for which the balancer found nobody.
    used = {
        "target": itself.metrics.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE, statistic="Sum"),
        "own": itself.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE, statistic="Sum"),
        "requests": itself.metrics.request_count(period=MINUTE, statistic="Sum"),
    }
    share = "100 * (FILL(target, 0) + FILL(own, 0)) / requests"
    return cloudwatch.MathExpression(
        expression=f"IF(requests >= {FEWEST_REQUESTS}, {share}, 0)",
        using_metrics=used,
        period=MINUTE,
        label="Requests that fail, in percent",
    )


def _unready(balancer: Balancer) -> cloudwatch.IMetric:
    """1 while a group has tasks and none of them is ready."""
    # Not the groups' own metrics: the one that CodeDeploy moves to is at no listener when this is written.
    groups = [group.target_group_full_name for group in (balancer.blue, balancer.green) if group is not None]
    full = series.Balancer(full_name=balancer.itself.load_balancer_full_name, groups=tuple(groups))
    bad = series.of_groups(full, "UnHealthyHostCount", "Minimum")
    good = series.of_groups(full, "HealthyHostCount", "Maximum")
    used: dict[str, cloudwatch.IMetric] = {f"{name}_bad": metric_of(each) for name, each in bad.items()}
    used |= {f"{name}_good": metric_of(each) for name, each in good.items()}
    terms = [f"IF(FILL({name}_bad, 0) > 0 AND FILL({name}_good, 0) < 1, 1, 0)" for name in bad]
    return cloudwatch.MathExpression(
        expression=" + ".join(terms), using_metrics=used, period=MINUTE, label="Versions without a ready task"
    )


def _alarm(
    scope: Construct, id_: str, name: str, metric: cloudwatch.IMetric, *, above: float, minutes: int
) -> cloudwatch.Alarm:
    return cloudwatch.Alarm(
        scope,
        id_,
        alarm_name=name,
        alarm_description="Takes a release back. Nobody is woken.",
        metric=metric,
        threshold=above,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=minutes,
        datapoints_to_alarm=minutes,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
