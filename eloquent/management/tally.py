"""What answers took, seen from beside them: for the operator who asked. Nothing is charged here."""

import asyncio

import msgspec

from inference.billing.prices import cost_micros
from inference.offers import OfferedModel
from inference.types import Event, Finished, NextStep, Status, ToolOutput, Usage

_SHORTEST_S = 0.001
"""Words that came within less are one network read: they have no speed."""


class Taken(msgspec.Struct, frozen=True):
    """Sums of one or several calls. None is what nobody knows; `cost_micros` also when the model has no price."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None


class Tally:
    """Counts from its making on. Show it each event of the answer, and tell it when another model answers."""

    def __init__(self, model: OfferedModel) -> None:
        self._model = model
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._first_token_s: float | None = None
        self._call_first_at: float | None = None
        self._writing_s = 0.0
        self._usages: list[tuple[Usage, int | None]] = []

    def model_changed(self, model: OfferedModel) -> None:
        """From here on this one answers, at its own price."""
        self._model = model

    def saw(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, Status | ToolOutput):
            return
        now = self._loop.time()
        if isinstance(event, Finished | NextStep):
            price, usage = self._model.price, event.usage
            if self._call_first_at is not None:
                self._writing_s += now - self._call_first_at
            self._call_first_at = None
            self._usages.append((usage, None if price is None else cost_micros(usage, price)))
            return
        if self._first_token_s is None:
            self._first_token_s = now - self._began_at
        if self._call_first_at is None:
            self._call_first_at = now

    def taken(self) -> Taken:
        """What all calls that ended took together."""
        written = _sum([usage.output_tokens for usage, _ in self._usages])
        has_speed = written and self._writing_s >= _SHORTEST_S
        return Taken(
            input_tokens=_sum([usage.input_tokens for usage, _ in self._usages]),
            output_tokens=written,
            cost_micros=_sum([cost if _is_counted(usage) else None for usage, cost in self._usages]),
            first_token_s=self._first_token_s,
            tokens_per_s=written / self._writing_s if written and has_speed else None,
        )


def _is_counted(usage: Usage) -> bool:
    return usage.input_tokens is not None and usage.output_tokens is not None


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None
