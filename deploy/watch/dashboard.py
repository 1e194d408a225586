"""The environment's dashboard, as CloudWatch wants it written. Pure.

Three columns of eight; what people notice comes first, what explains it below.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy import naming
from deploy.environment import Answering, Environment
from deploy.watch import burn
from deploy.watch.series import (
    Balancer,
    of_application,
    of_balancer,
    of_cache,
    of_groups,
    of_model_hosts,
    of_objective,
    of_service,
    of_tasks,
)
from deploy.watch.shape import Series
from eloquent.foundation.telemetry import metric_names as own

COLUMNS: Final = 3
WIDTH: Final = 8
HEIGHT: Final = 6
THIRTY_DAYS: Final = "-P30D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One picture. With an expression that alone is drawn, else every series."""

    title: str
    series: Mapping[str, Series]
    expressions: Mapping[str, str] | None = None
    """Label → metric math."""
    line: float | None = None
    """A target, drawn across."""
    stacked: bool = False
    period_s: int = 60
    month: bool = False
    """One number over 30 days rather than a curve."""


def charts(env: Environment, balancer: Balancer) -> list[Chart]:
    """All of them, in the order in which they are shown."""
    return [
        *_objective(env, balancer),
        *_requests(env, balancer),
        *_answers(env),
        *_money(env),
        *_tasks(env),
        *_cache(env),
        *(_own_model(env) if Answering.OLLAMA in env.answering else []),
    ]


def body(env: Environment, balancer: Balancer) -> dict[str, Any]:
    """The whole dashboard."""
    return {
        "widgets": [
            {
                "type": "metric",
                "x": number % COLUMNS * WIDTH,
                "y": number // COLUMNS * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": _properties(env, chart),
            }
            for number, chart in enumerate(charts(env, balancer))
        ]
    }


def _properties(env: Environment, chart: Chart) -> dict[str, Any]:
    shown = chart.expressions is None
    metrics: list[list[Any]] = [
        [
            series.namespace,
            series.name,
            *(part for dimension in series.dimensions.items() for part in dimension),
            {"id": name, "stat": series.statistic, "visible": shown, **({"label": name} if shown else {})},
        ]
        for name, series in chart.series.items()
    ]
    metrics += [
        [{"expression": expression, "label": label, "id": f"result{number}"}]
        for number, (label, expression) in enumerate((chart.expressions or {}).items())
    ]
    properties: dict[str, Any] = {
        "title": chart.title,
        "region": env.region,
        "metrics": metrics,
        "view": "singleValue" if chart.month else "timeSeries",
        "stacked": chart.stacked,
        "period": chart.period_s,
    }
    if chart.month:
        properties |= {"start": THIRTY_DAYS, "end": "P0D", "setPeriodToTimeRange": True}
    if chart.line is not None:
        properties["annotations"] = {"horizontal": [{"value": chart.line, "label": "target"}]}
    return properties


def _objective(env: Environment, balancer: Balancer) -> list[Chart]:
    watched = of_objective(env, balancer)
    return [
        Chart(
            title=f"Error budget left of {burn.OBJECTIVE:.1%} in 30 days, in percent",
            series=watched,
            expressions={"left": burn.budget_left_expression()},
            month=True,
        ),
        Chart(
            title="Pace at which the error budget is spent",
            series=watched,
            expressions={"pace": burn.pace_expression(1)},
            line=1,
            period_s=300,
        ),
        Chart(
            title="Requests that failed",
            series={"application": watched["errors"], "balancer": watched["refused"]},
            stacked=True,
        ),
    ]


def _requests(env: Environment, balancer: Balancer) -> list[Chart]:
    by_class = {name: each for name, each in of_objective(env, balancer).items() if name not in {"errors", "refused"}}
    duration, target = own.REQUEST_DURATION, own.REQUEST_DURATION.target
    return [
        Chart(title="Requests, by class and status", series=by_class, stacked=True),
        Chart(
            title="Requests without a language model, in ms",
            series={each: of_application(env, duration, each) for each in ("p50", "p95", "p99")},
            line=target,
        ),
        Chart(
            title="Load balancer: requests, and new connections",
            series={
                "requests": of_balancer(balancer, "RequestCount", "Sum"),
                "connections": of_balancer(balancer, "NewConnectionCount", "Sum"),
            },
        ),
        Chart(
            title="Load balancer: 5xx, and connections refused",
            series={
                "own": of_balancer(balancer, "HTTPCode_ELB_5XX_Count", "Sum"),
                "target": of_balancer(balancer, "HTTPCode_Target_5XX_Count", "Sum"),
                "refused": of_balancer(balancer, "RejectedConnectionCount", "Sum"),
            },
        ),
        Chart(
            title="Tasks that are ready",
            series=of_groups(balancer, "HealthyHostCount", "Minimum"),
            stacked=True,
        ),
    ]


def _answers(env: Environment) -> list[Chart]:
    first = own.TIME_TO_FIRST_TOKEN
    return [
        Chart(
            title="First token, in ms",
            series={
                **{each: of_application(env, first, each) for each in ("p50", "p95", "p99")},
                "own models p90": of_application(env, own.OWN_MODEL_FIRST_TOKEN, "p90"),
            },
            line=first.target,
        ),
        Chart(
            title="Tokens a second of a call",
            series={each: of_application(env, own.TOKENS_PER_SECOND, each) for each in ("p10", "p50", "p90")},
        ),
        Chart(
            title="Answers in flight, and sockets, of the busiest process",
            series={
                "answers": of_application(env, own.STREAMS_IN_FLIGHT, "Maximum"),
                "sockets": of_application(env, own.SOCKETS_OPEN, "Maximum"),
            },
            line=env.streams_a_task / env.workers,
        ),
        Chart(
            title="Waiting for a language model, in ms",
            series={each: of_application(env, own.QUEUE_WAIT, each) for each in ("p50", "p90", "p99")},
        ),
        Chart(
            title="Answers, by how they ended",
            series={
                "completed": of_application(env, own.RUNS_COMPLETED, "Sum"),
                "stopped": of_application(env, own.RUNS_STOPPED, "Sum"),
                "interrupted": of_application(env, own.RUNS_INTERRUPTED, "Sum"),
                "failed": of_application(env, own.RUNS_FAILED, "Sum"),
            },
            stacked=True,
        ),
        Chart(
            title="Calls of language models that failed",
            series={"failures": of_application(env, own.MODEL_FAILURES, "Sum")},
        ),
    ]


def _money(env: Environment) -> list[Chart]:
    cost = {"cost": of_application(env, own.COST_MICROS, "Sum")}
    return [
        Chart(
            title="Language models, in dollars an hour",
            series=cost,
            expressions={"dollars": "cost / 1000000"},
            period_s=3600,
        ),
        Chart(
            title="Language models, in dollars in 30 days",
            series=cost,
            expressions={"dollars": "cost / 1000000"},
            month=True,
        ),
    ]


def _tasks(env: Environment) -> list[Chart]:
    return [
        Chart(
            title="Tasks: how many run, and should",
            series={
                "running": of_tasks(env, "RunningTaskCount", "Average"),
                "desired": of_tasks(env, "DesiredTaskCount", "Average"),
            },
            line=env.tasks_most,
        ),
        Chart(
            title="Tasks: CPU and memory, in percent",
            series={
                "cpu": of_service(env, "CPUUtilization", "Average"),
                "memory": of_service(env, "MemoryUtilization", "Maximum"),
            },
        ),
    ]


def _cache(env: Environment) -> list[Chart]:
    return [
        Chart(title="Cache: CPU, in percent", series=of_cache(env, "EngineCPUUtilization", "Maximum")),
        Chart(title="Cache: memory, in percent", series=of_cache(env, "DatabaseMemoryUsagePercentage", "Maximum")),
        Chart(title="Cache: connections", series=of_cache(env, "CurrConnections", "Maximum")),
        Chart(title="Cache: how far copies are behind, in s", series=of_cache(env, "ReplicationLag", "Maximum")),
    ]


def _own_model(env: Environment) -> list[Chart]:
    return [
        Chart(
            title=f"{naming.service_name(env, 'model')}: tasks, and hosts",
            series={
                "tasks": of_tasks(env, "RunningTaskCount", "Average", is_model=True),
                "hosts": of_model_hosts(env, "AWS/AutoScaling", "GroupInServiceInstances", "Average"),
            },
            line=env.models_most,
        ),
        Chart(
            title=f"{naming.service_name(env, 'model')}: CPU and memory, in percent",
            series={
                "cpu": of_service(env, "CPUUtilization", "Average", is_model=True),
                "memory": of_service(env, "MemoryUtilization", "Maximum", is_model=True),
            },
        ),
    ]
