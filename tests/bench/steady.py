"""The upstream's answers at an even pace, for thousands of streams at once, and a log of what went out when.

All streams share one clock that ticks every millisecond and writes what is due: a timer for each token would cost more
than the token. A stream that is named in its question (`[stream 12]`) is logged: when it was asked for, when each token
was written, and when the other side closed the connection before the end. Times are those of `time.perf_counter`,
which all processes of this machine share.
"""

import asyncio
import re
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Pace:
    """How an even answer is written: so many tokens a second, so many in all; spoiled: with one of them changed."""

    tokens_per_s: float
    tokens: int
    spoiled: bool = False

    @property
    def model(self) -> str:
        """The name of the language model that answers so."""
        return f"bench-{'spoiled' if self.spoiled else 'steady'}-{self.tokens_per_s:g}x{self.tokens}"

    @property
    def lasts_s(self) -> float:
        """From the first token to the last."""
        return (self.tokens - 1) / self.tokens_per_s

    @classmethod
    def of(cls, model: str) -> "Pace | None":
        """What the model's name says; None when it is not one of these."""
        named = re.fullmatch(r"bench-(steady|spoiled)-([\d.]+)x(\d+)", model)
        return None if named is None else cls(float(named[2]), int(named[3]), named[1] == "spoiled")


class Reader(Protocol):
    """Where an answer is written to."""

    def write(self, data: bytes) -> bool:
        """False once the reader has gone."""


@dataclass(slots=True)
class Log:
    """What was written when. Streams by number, times in seconds."""

    asked: dict[int, float] = field(default_factory=dict)
    sent: dict[int, "array[float]"] = field(default_factory=dict)
    closed: dict[int, float] = field(default_factory=dict)

    def taken(self) -> dict[str, Any]:
        """All of it as JSON has it; the log is empty then."""
        said = {
            "asked": {str(stream): at for stream, at in self.asked.items()},
            "sent": {str(stream): times.tolist() for stream, times in self.sent.items()},
            "closed": {str(stream): at for stream, at in self.closed.items()},
        }
        self.asked, self.sent, self.closed = {}, {}, {}
        return said


@dataclass(slots=True)
class _Answer:
    reader: Reader
    writes: Sequence[bytes]
    times: "array[float] | None"
    first_tick: int
    ticks_between: float
    number: int = 0

    def due(self) -> int:
        return self.first_tick + round(self.number * self.ticks_between)


class SteadyStreams:
    """The answers that are being written at an even pace.

    Args:
        writes_of: the bytes of a model's answer to a question, an entry for each token and one for the end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, writes_of: Callable[[str, int, int], Sequence[bytes]]) -> None:
        self.log = Log()
        self._loop = loop
        self._writes_of = writes_of
        self._due: dict[int, list[_Answer]] = defaultdict(list)
        self._tick = 0
        self._ticking = False
        self._began = time.perf_counter()

    def start(self, reader: Reader, pace: Pace, answer: int, stream: int | None) -> None:
        """Write the answer, its first token at once."""
        writes = self._writes_of(pace.model, answer, pace.tokens)
        times = None
        if stream is not None:
            self.log.asked[stream] = time.perf_counter()
            times = self.log.sent[stream] = array("d")
        resting = not self._ticking
        if resting:
            # Before the answer is put to a tick: one that has passed by then would never be worked off.
            self._ticking, self._tick = True, self._now()
        begun = _Answer(reader, writes, times, self._now(), 1 / pace.tokens_per_s / TICK_S)
        self._write(begun, time.perf_counter())
        if resting:
            self._loop.call_later(TICK_S, self._write_what_is_due)

    def closed(self, stream: int) -> None:
        """The stream's reader has gone before the end."""
        self.log.closed[stream] = time.perf_counter()

    def _now(self) -> int:
        return int((time.perf_counter() - self._began) / TICK_S)

    def _write(self, answer: _Answer, at: float) -> None:
        if not answer.reader.write(answer.writes[answer.number]):
            return
        if answer.times is not None:
            answer.times.append(at)
        answer.number += 1
        if answer.number < len(answer.writes):
            # Never in the tick that is being worked off.
            self._due[max(answer.due(), self._tick + 1)].append(answer)

    def _write_what_is_due(self) -> None:
        now = self._now()
        while self._tick < now:
            self._tick += 1
            for answer in self._due.pop(self._tick, ()):
                self._write(answer, time.perf_counter())
        self._ticking = bool(self._due)
        if self._ticking:
            self._loop.call_later(TICK_S, self._write_what_is_due)
