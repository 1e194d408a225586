"""How fast the error budget is spent, and from which pace on somebody is told. Pure.

99.9 % of requests in 30 days: one in a thousand may fail. A pace of 1 spends that budget in exactly 30 days. Each alarm
looks at two windows: the long one says that it matters, the short one that it still goes on.
https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deploy.watch.series import SLO_SERIES
from deploy.watch.shape import DAY, HOUR, MINUTE, Alarm, Alarms, Composite, Missing, Series, Severity

OBJECTIVE: Final = 0.999
BUDGET: Final = round(1 - OBJECTIVE, 6)
"""The share of requests that may fail."""
BUDGET_PERIOD_S: Final = 30 * DAY

FEWEST_FAILURES: Final = 5
"""In the long window. One failure of twenty requests at night is a pace of fifty, and nobody's night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A part of the budget, spent within the long window, and who is told of it."""

    what: str
    share: float
    long_s: int
    short_s: int
    severity: Severity
    days_in_a_row: int = 1
    """The long window in days of which each is too fast: an alarm's period is a day at most."""

    @property
    def rate(self) -> float:
        """How many times faster than the budget allows."""
        return burn_rate(self.share, self.long_s)


def burn_rate(share: float, window_s: int) -> float:
    """The pace that spends this share of the budget within the window."""
    return round(share * BUDGET_PERIOD_S / window_s, 6)


def pace(failed: float, total: float) -> float:
    """The pace at which so many failures of so many requests spend the budget; 0 when nobody asked."""
    return failed / total / BUDGET if total else 0.0


def budget_left(failed: float, total: float) -> float:
    """The share of the budget that is left after a period's requests; below 0 when it is overspent."""
    return 1 - pace(failed, total)


PACES: Final = (
    Pace(what="burn-fast", share=0.02, long_s=HOUR, short_s=5 * MINUTE, severity=Severity.PAGE),
    Pace(what="burn-slow", share=0.05, long_s=6 * HOUR, short_s=30 * MINUTE, severity=Severity.PAGE),
    Pace(what="burn-day", share=0.10, long_s=DAY, short_s=2 * HOUR, severity=Severity.NOTIFY),
    Pace(what="burn-days", share=0.10, long_s=3 * DAY, short_s=6 * HOUR, severity=Severity.NOTIFY, days_in_a_row=3),
)

REQUESTS: Final = " + ".join(f"FILL({name}, 0)" for name in SLO_SERIES if name not in {"errors", "refused"})
FAILED: Final = "(FILL(errors, 0) + FILL(refused, 0))"
"""Those that the application answered with 500 or more, and those for which the load balancer found nobody."""
TOTAL: Final = f"({REQUESTS} + FILL(refused, 0))"


def pace_expression(fewest: int) -> str:
    """`pace` as metric math; 0 below so many failures."""
    return f"IF({FAILED} >= {fewest}, {FAILED} / {TOTAL} / {BUDGET}, 0)"


def budget_left_expression() -> str:
    """`budget_left` as metric math, in percent."""
    return f"100 * (1 - IF({TOTAL} > 0, {FAILED} / {TOTAL}, 0) / {BUDGET})"


def burn_alarms(watched: dict[str, Series]) -> Alarms:
    """Two parts a pace, and what is raised while both are.

    Args:
        watched: the series of `SLO_SERIES`, by their names.
    """
    singles: list[Alarm] = []
    composites: list[Composite] = []
    for each in PACES:
        parts = tuple(_parts(each, watched))
        singles += parts
        composites.append(
            Composite(
                what=each.what,
                meaning=(
                    f"More than {each.share:.0%} of a month's error budget was spent within {_words(each.long_s)}, "
                    f"{each.rate:g} times as fast as it may be, and it goes on."
                ),
                severity=each.severity,
                parts=tuple(part.what for part in parts),
            )
        )
    return Alarms(tuple(singles), tuple(composites))


def _parts(each: Pace, watched: dict[str, Series]) -> Iterator[Alarm]:
    periods = each.days_in_a_row
    for end, window_s, count, fewest in (
        ("long", each.long_s // periods, periods, FEWEST_FAILURES),
        ("short", each.short_s, 1, 1),
    ):
        yield Alarm(
            what=f"{each.what}-{end}",
            meaning=f"A part of {each.what}: the pace over {_words(window_s * count)}.",
            severity=Severity.PART,
            watched=watched,
            expression=pace_expression(fewest),
            above=each.rate,
            period_s=window_s,
            periods=count,
            # Where nobody asks, nothing is spent. That nobody measures is told by `metrics-silent`.
            missing=Missing.GOOD,
            part_of=each.what,
        )


def _words(seconds: int) -> str:
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", MINUTE)):
        if seconds % length == 0:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} s"
