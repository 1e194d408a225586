"""Every metric that is looked at: the application's own (their names are its own), AWS's, and those made of log lines.

Pure: what only CloudFormation knows (a load balancer's full name) is handed in, as a string or what stands for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy import naming
from deploy.environment import Environment
from deploy.watch.shape import Series
from eloquent.foundation.telemetry import metric_names as own
from eloquent.foundation.telemetry.metric_names import Metric, Traffic

STATUS_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
PEOPLE: Final = (Traffic.LANGUAGE_MODEL, Traffic.OTHER)
"""Requests that are somebody's: the objective is about them, not about health checks."""

SLO_SERIES: Final = (
    *(f"{traffic.value}{status}" for traffic in PEOPLE for status in STATUS_CLASSES),
    "errors",
    "refused",
)
"""Ten of them: as many as an alarm may look at."""

COLLECTOR_ERRORS: Final = "CollectorErrors"
LOGGED_ERRORS: Final = "LoggedErrors"
FIREWALL_METRIC: Final = "edge"
"""What `parts/firewall.py` calls the firewall's own metric; a test compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """The load balancer's and its target groups' full names, as CloudWatch has them."""

    full_name: str
    groups: tuple[str, ...]


def of_application(env: Environment, metric: Metric, statistic: str, **more: str) -> Series:
    """One of the application's metrics; `more` are the dimensions that only this one has.

    Raises:
        KeyError: a dimension of the metric is not said.
    """
    values = {own.ENVIRONMENT: env.name, own.SERVICE: naming.SERVICE, **more}
    return Series(
        namespace=own.NAMESPACE,
        name=metric.name,
        dimensions={dimension: values[dimension] for dimension in metric.dimensions},
        statistic=statistic,
    )


def of_requests(env: Environment, traffic: Traffic, status: str) -> Series:
    """How many requests of a class were answered with such a status."""
    return of_application(env, own.REQUESTS, "Sum", **{own.TRAFFIC: traffic.value, own.STATUS_CLASS: status})


def of_objective(env: Environment, balancer: Balancer) -> dict[str, Series]:
    """What the objective is computed of, by the names in `SLO_SERIES`."""
    asked = {
        f"{traffic.value}{status}": of_requests(env, traffic, status) for traffic in PEOPLE for status in STATUS_CLASSES
    }
    return {
        **asked,
        "errors": of_application(env, own.SERVER_ERRORS, "Sum"),
        "refused": of_balancer(balancer, "HTTPCode_ELB_5XX_Count", "Sum"),
    }


def of_balancer(balancer: Balancer, name: str, statistic: str) -> Series:
    """A metric of the whole load balancer."""
    return Series(
        namespace="AWS/ApplicationELB",
        name=name,
        dimensions={"LoadBalancer": balancer.full_name},
        statistic=statistic,
    )


def of_groups(balancer: Balancer, name: str, statistic: str) -> dict[str, Series]:
    """A metric of each target group, as `group0`, `group1`."""
    return {
        f"group{number}": Series(
            namespace="AWS/ApplicationELB",
            name=name,
            dimensions={"TargetGroup": group, "LoadBalancer": balancer.full_name},
            statistic=statistic,
        )
        for number, group in enumerate(balancer.groups)
    }


def of_service(env: Environment, name: str, statistic: str, *, is_model: bool = False) -> Series:
    """What ECS measures of a service: the API's, or our own model's."""
    return Series(namespace="AWS/ECS", name=name, dimensions=_service(env, is_model), statistic=statistic)


def of_tasks(env: Environment, name: str, statistic: str, *, is_model: bool = False) -> Series:
    """What Container Insights counts of a service."""
    return Series(namespace="ECS/ContainerInsights", name=name, dimensions=_service(env, is_model), statistic=statistic)


def of_cache(env: Environment, name: str, statistic: str) -> dict[str, Series]:
    """A metric of each node of the cache, as `node1`, `node2`: which of them leads may change."""
    return {
        f"node{number}": Series(
            namespace="AWS/ElastiCache",
            name=name,
            dimensions={"CacheClusterId": f"{naming.service_name(env, 'cache')}-{number:03}"},
            statistic=statistic,
        )
        for number in range(1, env.cache_replicas + 2)
    }


def of_model_hosts(env: Environment, namespace: str, name: str, statistic: str) -> Series:
    """What EC2, or Auto Scaling, measures of all hosts of our own model together."""
    group = {"AutoScalingGroupName": naming.service_name(env, "model")}
    return Series(namespace=namespace, name=name, dimensions=group, statistic=statistic)


def of_log(env: Environment, name: str) -> Series:
    """How many lines of a kind were written; `parts/log_metrics.py` counts them."""
    return Series(namespace=log_namespace(env), name=name, dimensions={}, statistic="Sum")


def log_namespace(env: Environment) -> str:
    """Apart from the application's own: it writes none of these. `Eloquent/Logs/prod`, as they have no dimensions."""
    return f"{own.NAMESPACE}/Logs/{env.name}"


def of_edge(distribution_id: str, name: str, statistic: str) -> Series:
    """What CloudFront measures, in us-east-1."""
    return Series(
        namespace="AWS/CloudFront",
        name=name,
        dimensions={"DistributionId": distribution_id, "Region": "Global"},
        statistic=statistic,
    )


def of_firewall(name: str, statistic: str) -> Series:
    """What the firewall at the edge did, all of its rules together."""
    return Series(
        namespace="AWS/WAFV2", name=name, dimensions={"WebACL": FIREWALL_METRIC, "Rule": "ALL"}, statistic=statistic
    )


def of_certificate(arn: str) -> Series:
    """How many days a certificate is still good for; measured once or twice a day."""
    return Series(
        namespace="AWS/CertificateManager",
        name="DaysToExpiry",
        dimensions={"CertificateArn": arn},
        statistic="Minimum",
    )


def _service(env: Environment, is_model: bool) -> Mapping[str, str]:
    if is_model:
        name = naming.service_name(env, "model")
        return {"ClusterName": name, "ServiceName": name}
    return {"ClusterName": naming.cluster_name(env), "ServiceName": naming.service_name(env)}
