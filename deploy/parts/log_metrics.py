"""Numbers made of log lines: the collector's errors, and the application's."""

from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.watch.patterns import PATTERNS
from deploy.watch.series import log_namespace


def log_metrics(scope: Construct, env: Environment) -> None:
    """Counts lines of the API's log group, which must be there."""
    for name, pattern in PATTERNS.items():
        logs.CfnMetricFilter(
            scope,
            f"{name}Filter",
            filter_name=naming.service_name(env, name.lower()),
            log_group_name=naming.log_group(env),
            filter_pattern=pattern,
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_namespace=log_namespace(env),
                    metric_name=name,
                    metric_value="1",
                    # Written when lines come of which none is one of these.
                    default_value=0,
                    unit="Count",
                )
            ],
        )
