"""Alarms over what AWS measures: the load balancer, tasks, the cache, hosts of our own model, certificates. Pure."""

from collections.abc import Mapping
from typing import Final

from deploy.environment import Answering, Environment
from deploy.watch.series import (
    Balancer,
    of_balancer,
    of_cache,
    of_certificate,
    of_groups,
    of_model_hosts,
    of_service,
    of_tasks,
)
from deploy.watch.shape import DAY, MINUTE, Alarm, Missing, Series, Severity

FIVE: Final = 5 * MINUTE
REFUSED_MOST: Final = 10
FAILED_MOST: Final = 10
CPU_PERCENT: Final = 85
MEMORY_PERCENT: Final = 90
CACHE_CPU_PERCENT: Final = 80
CACHE_FILLING_PERCENT: Final = 75
CACHE_FULL_PERCENT: Final = 90
CACHE_CONNECTIONS: Final = 10_000
"""A sixth of what a node takes, and far more than our processes' pools are meant to hold."""
CACHE_LAG_S: Final = 5
CERTIFICATE_DAYS: Final = 30
"""AWS renews 60 days before the end: what has not been renewed by then will not be."""


def platform_alarms(env: Environment, balancer: Balancer, certificate: str) -> list[Alarm]:
    """All of the environment's own region; `certificate` is the ARN of the load balancer's."""
    own_model = _own_model(env) if Answering.OLLAMA in env.answering else []
    return [*_balancer(balancer), *_tasks(env), *_cache(env), *own_model, certificate_alarm("balancer", certificate)]


def certificate_alarm(whose: str, arn: str) -> Alarm:
    """A certificate that was not renewed. AWS says nothing of one that nobody uses."""
    return Alarm(
        what=f"{whose}-certificate",
        meaning=f"The certificate of the {whose} ends within {CERTIFICATE_DAYS} days: AWS could not renew it.",
        severity=Severity.NOTIFY,
        watched={"days": of_certificate(arn)},
        below=CERTIFICATE_DAYS,
        period_s=DAY,
        missing=Missing.UNKNOWN,
    )


def _balancer(balancer: Balancer) -> list[Alarm]:
    # The balancer counts what happened: where nothing did, there is no number.
    return [
        Alarm(
            what="balancer-5xx",
            meaning="The load balancer refuses people: it reaches no task, or a task hangs up on it.",
            severity=Severity.PAGE,
            watched={"refused": of_balancer(balancer, "HTTPCode_ELB_5XX_Count", "Sum")},
            above=REFUSED_MOST,
            periods=3,
            of=5,
            missing=Missing.GOOD,
            everywhere=True,
        ),
        Alarm(
            what="target-5xx",
            meaning="The application answers with 500 or more. Whether it matters is told by burn-fast and burn-slow.",
            severity=Severity.NOTIFY,
            watched={"failed": of_balancer(balancer, "HTTPCode_Target_5XX_Count", "Sum")},
            above=FAILED_MOST,
            periods=3,
            of=5,
            missing=Missing.GOOD,
            everywhere=True,
        ),
        Alarm(
            what="nobody-ready",
            meaning="No task is ready: everybody is refused.",
            severity=Severity.PAGE,
            watched=of_groups(balancer, "HealthyHostCount", "Maximum"),
            expression=_filled_sum(of_groups(balancer, "HealthyHostCount", "Maximum")),
            below=1,
            periods=2,
            missing=Missing.BAD,
            everywhere=True,
        ),
        Alarm(
            what="targets-unhealthy",
            meaning="Some tasks have been unready for a quarter of an hour; the others serve.",
            severity=Severity.NOTIFY,
            watched=of_groups(balancer, "UnHealthyHostCount", "Minimum"),
            expression=_filled_sum(of_groups(balancer, "UnHealthyHostCount", "Minimum")),
            above=0,
            periods=15,
            missing=Missing.GOOD,
        ),
    ]


def _tasks(env: Environment, *, is_model: bool = False) -> list[Alarm]:
    whose, words = ("model", "our own model") if is_model else ("api", "the application")
    # A service without tasks measures nothing: `tasks-missing` tells of that, and takes silence for the worst.
    counted = {name: of_tasks(env, f"{name}TaskCount", "Average", is_model=is_model) for name in ("Desired", "Running")}
    return [
        Alarm(
            what=f"{whose}-cpu",
            meaning=f"Tasks of {words} compute at more than {CPU_PERCENT} % for a quarter of an hour.",
            severity=Severity.NOTIFY,
            watched={"used": of_service(env, "CPUUtilization", "Average", is_model=is_model)},
            above=CPU_PERCENT,
            period_s=FIVE,
            periods=3,
            missing=Missing.GOOD,
        ),
        Alarm(
            what=f"{whose}-memory",
            meaning=f"A task of {words} uses more than {MEMORY_PERCENT} % of its memory; above 100 it is killed.",
            severity=Severity.NOTIFY,
            watched={"used": of_service(env, "MemoryUtilization", "Maximum", is_model=is_model)},
            above=MEMORY_PERCENT,
            period_s=FIVE,
            periods=3,
            missing=Missing.GOOD,
        ),
        Alarm(
            what=f"{whose}-tasks-missing",
            meaning=f"For a quarter of an hour fewer tasks of {words} run than should.",
            severity=Severity.NOTIFY,
            watched={name.lower(): series for name, series in counted.items()},
            expression="desired - FILL(running, 0)",
            above=0,
            periods=15,
            missing=Missing.BAD,
        ),
    ] + ([] if is_model else [_at_most(env)])


def _at_most(env: Environment) -> Alarm:
    return Alarm(
        what="api-tasks-at-most",
        meaning=f"As many tasks run as may ({env.tasks_most}): the next rush finds no room.",
        severity=Severity.NOTIFY,
        watched={"running": of_tasks(env, "RunningTaskCount", "Average")},
        # In a release the old tasks run beside the new ones: for less than half an hour.
        above=env.tasks_most - 0.5,
        period_s=FIVE,
        periods=6,
        missing=Missing.GOOD,
    )


def _cache(env: Environment) -> list[Alarm]:
    alarms = [
        _of_nodes(env, "cache-cpu", "EngineCPUUtilization", above=CACHE_CPU_PERCENT, meaning=_CACHE_CPU),
        _of_nodes(
            env, "cache-filling", "DatabaseMemoryUsagePercentage", above=CACHE_FILLING_PERCENT, meaning=_CACHE_FILLING
        ),
        _of_nodes(
            env,
            "cache-full",
            "DatabaseMemoryUsagePercentage",
            above=CACHE_FULL_PERCENT,
            meaning=_CACHE_FULL,
            severity=Severity.PAGE,
            everywhere=True,
        ),
        _of_nodes(env, "cache-evictions", "Evictions", above=0, meaning=_CACHE_EVICTIONS, statistic="Sum", periods=1),
        _of_nodes(env, "cache-connections", "CurrConnections", above=CACHE_CONNECTIONS, meaning=_CACHE_CONNECTIONS),
    ]
    if env.cache_replicas:
        alarms.append(_of_nodes(env, "cache-lag", "ReplicationLag", above=CACHE_LAG_S, meaning=_CACHE_LAG))
    return alarms


_CACHE_CPU: Final = f"A node of the cache computes at more than {CACHE_CPU_PERCENT} % of its one thread."
_CACHE_FILLING: Final = f"A node of the cache is filled to more than {CACHE_FILLING_PERCENT} %; nothing is evicted."
_CACHE_FULL: Final = f"A node of the cache is filled to more than {CACHE_FULL_PERCENT} %: full, it refuses every write."
_CACHE_EVICTIONS: Final = "The cache throws things away, which it never may: words of answers are lost."
_CACHE_CONNECTIONS: Final = "A node of the cache has more connections than our pools hold: one of them leaks."
_CACHE_LAG: Final = f"A copy of the cache is more than {CACHE_LAG_S} s behind: a failover now would lose as much."


def _of_nodes(
    env: Environment,
    what: str,
    metric: str,
    *,
    above: float,
    meaning: str,
    severity: Severity = Severity.NOTIFY,
    statistic: str = "Maximum",
    periods: int = 3,
    everywhere: bool = False,
) -> Alarm:
    nodes = of_cache(env, metric, statistic)
    return Alarm(
        what=what,
        meaning=meaning,
        severity=severity,
        watched=nodes,
        # The node that is worst. One that leads has no lag, and one that is away measures nothing.
        expression=f"MAX([{', '.join(f'FILL({name}, 0)' for name in nodes)}])" if len(nodes) > 1 else "",
        above=above,
        period_s=FIVE,
        periods=periods,
        # A cache that is away makes every task unready: `nobody-ready` tells of it, and sooner.
        missing=Missing.GOOD,
        everywhere=everywhere,
    )


def _own_model(env: Environment) -> list[Alarm]:
    # Nobody measures the graphics processors: that would take an agent on each host, and a busy one is no fault.
    # That answers wait (`queue-long`) or fail (`models-failing`) is what matters of them.
    return [
        *_tasks(env, is_model=True),
        Alarm(
            what="model-host-broken",
            meaning="A host of our own model fails AWS's checks of its hardware or its system.",
            severity=Severity.NOTIFY,
            watched={"failed": of_model_hosts(env, "AWS/EC2", "StatusCheckFailed", "Maximum")},
            above=0,
            periods=5,
            missing=Missing.GOOD,
        ),
        Alarm(
            what="model-hosts-at-most",
            meaning=f"As many hosts of our own model run as may ({env.models_most}), for half an hour.",
            severity=Severity.NOTIFY,
            watched={"hosts": of_model_hosts(env, "AWS/AutoScaling", "GroupInServiceInstances", "Average")},
            above=env.models_most - 0.5,
            period_s=FIVE,
            periods=6,
            missing=Missing.GOOD,
        ),
    ]


def _filled_sum(watched: Mapping[str, Series]) -> str:
    return " + ".join(f"FILL({name}, 0)" for name in watched)
