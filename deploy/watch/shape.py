"""What an alarm is before CloudFormation hears of it: what it watches, when it is raised, who is told. Pure.

Alarms and charts are built from the same `Series`, so that a test sees every metric that anybody looks at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from deploy.environment import Environment, Watch

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400

RUNBOOK: Final = "deploy/runbook.md"


class Severity(StrEnum):
    """Who is told."""

    PAGE = "page"
    """Somebody is woken: people notice it now, and it does not go away by itself."""
    NOTIFY = "notify"
    """A letter that is read by daylight."""
    PART = "part"
    """Nobody: it is a part of a composite alarm, which tells."""


class Missing(StrEnum):
    """What it means when nothing was measured."""

    GOOD = "notBreaching"
    """Nothing happened, or somebody else tells of the silence."""
    BAD = "breaching"
    """Whoever should have measured is gone."""
    UNKNOWN = "missing"
    """Neither: measured too seldom to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric, its dimensions, and how a period's values become one."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Raised when in `periods` of the last `of` periods (all, unless said) the value is beyond the limit."""

    what: str
    """`eloquent-prod-{what}` is its name."""
    meaning: str
    """One sentence, for whoever is woken by it."""
    severity: Severity
    watched: Mapping[str, Series]
    """By the name that it has in `expression`."""
    expression: str = ""
    """Metric math; of one series itself when there is none."""
    above: float | None = None
    below: float | None = None
    """The one or the other."""
    period_s: int = MINUTE
    periods: int = 1
    of: int = 0
    missing: Missing
    everywhere: bool = False
    """Where little is watched, too."""
    part_of: str = ""
    """The composite alarm that it belongs to, whose heading in the runbook it shares."""

    @property
    def section(self) -> str:
        """Its heading in the runbook."""
        return self.part_of or self.what

    @property
    def limit(self) -> float:
        """Beyond which it is raised."""
        limit = self.above if self.above is not None else self.below
        assert limit is not None  # noqa: S101 - an alarm without a limit is a mistake of ours
        return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """Raised while all of its parts are."""

    what: str
    meaning: str
    severity: Severity
    parts: tuple[str, ...]
    """Each the `what` of an alarm."""

    @property
    def section(self) -> str:
        """Its heading in the runbook."""
        return self.what


@dataclass(frozen=True, slots=True)
class Alarms:
    """What an environment has of both kinds in one region."""

    single: tuple[Alarm, ...] = field(default_factory=tuple)
    composite: tuple[Composite, ...] = field(default_factory=tuple)

    def as_watched(self, env: Environment) -> "Alarms":
        """Those of them that this environment has."""
        if env.watch is not Watch.LITTLE:
            return self
        return Alarms(tuple(alarm for alarm in self.single if alarm.everywhere))


def told(env: Environment, severity: Severity) -> Severity:
    """Who is told of an alarm of this severity in this environment."""
    if severity is Severity.PAGE and env.watch is not Watch.DAY_AND_NIGHT:
        return Severity.NOTIFY
    return severity


def queries(watched: Mapping[str, Series], expression: str, period_s: int) -> list[dict[str, Any]]:
    """The series and what is computed of them, as CloudWatch's `Metrics` are written."""
    used: list[dict[str, Any]] = [
        {
            "id": name,
            "metricStat": {
                "metric": {
                    "namespace": series.namespace,
                    "metricName": series.name,
                    "dimensions": [{"name": key, "value": value} for key, value in series.dimensions.items()],
                },
                "period": period_s,
                "stat": series.statistic,
            },
            "returnData": False,
        }
        for name, series in watched.items()
    ]
    return [*used, {"id": "result", "expression": expression, "returnData": True}]
