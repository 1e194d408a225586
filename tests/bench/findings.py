"""What a measure found: numbers, the targets they are held against, charts, and what makes them invalid."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.charts import Chart


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bound. `words` says a verdict that takes more than one figure to find."""

    what: str
    value: float
    bound: float
    unit: str
    more_is_better: bool = False
    words: str = ""

    @property
    def met(self) -> bool:
        """Whether it is within its bound. What is not a number is not."""
        return self.value >= self.bound if self.more_is_better else self.value <= self.bound


@dataclass(slots=True)
class Finding:
    """One row of the bench.

    Attributes:
        sentence: what was found, in words; it is the title of the row's charts as well.
        tables: each a list of lines, its heads first.
        notes: how it was measured, and what the figures do not say.
        errors: a sentence for each wrong, lost or unsaved answer; any makes the figures invalid.
        skipped: why nothing was measured, if so.
    """

    name: str
    title: str
    sentence: str = ""
    tables: list[list[list[str]]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: str = ""

    def verdict(self, target: Target) -> str:
        """Never prettier than the figures: none at all for a measure with a wrong answer."""
        if self.errors:
            return f"INVALID: {len(self.errors)} wrong"
        return target.words or ("met" if target.met else "MISSED")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; not a number when there are none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def percentiles(values: Sequence[float], *shares: float) -> list[float]:
    """Several at once, of one sorting."""
    ordered = sorted(values)
    return [ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.nan for share in shares]


def median(values: Sequence[float]) -> float:
    """The median; not a number when there are no values."""
    return statistics.median(values) if values else math.nan


def shown(value: float, unit: str = "") -> str:
    """A figure with as many digits as it deserves: `12.3 ms`, `1,234 ms`, `0.45`."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}{f' {unit}' if unit else ''}"
