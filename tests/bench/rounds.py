"""Measures: what is done, how long each side needs for it, in rounds that alternate between the sides."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.bench.cpu import cpu_s, quiet_cpu_s
from tests.bench.plans import Plan, Side
from tests.bench.servers import PROJECT


class ClientError(Exception):
    """The client could not do its plan at all; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row: what both sides are asked to do."""

    title: str
    plan: Callable[[Side], Plan]
    target: float | None = None
    by_rate: bool = False
    """Compared by requests a second (more is better), not by CPU (less is better)."""


@dataclass(frozen=True, slots=True)
class Window:
    """One go of one side. CPU in milliseconds for one request; times in milliseconds."""

    server_ms: float
    mongod_ms: float
    rate: float
    first_token_ms: list[float]
    pieces: float
    errors: list[str]
    wrong: int
    redis_ms: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """All processes together."""
        return self.server_ms + self.mongod_ms + self.redis_ms


@dataclass(slots=True)
class Row:
    """A measure with its windows: one of each side for each round."""

    measure: Measure
    windows: dict[str, list[Window]] = field(default_factory=dict)

    def median(self, side: str, figure: Callable[[Window], float]) -> float:
        """The median of a figure over the rounds."""
        return statistics.median(figure(window) for window in self.windows[side])

    def ratios(self, ours: str, peers: str) -> list[float]:
        """Ours to the peer's, one for each round."""
        figure: Callable[[Window], float] = (lambda w: w.rate) if self.measure.by_rate else (lambda w: w.cpu_ms)
        pairs = zip(self.windows[ours], self.windows[peers], strict=True)
        return [figure(our) / figure(their) for our, their in pairs]


class Meter:
    """Runs plans and reads the CPU clocks around them."""

    def __init__(self, mongod_pid: int, redis_pid: int | None = None) -> None:
        self._mongod_pid = mongod_pid
        self._redis_pid = redis_pid
        self.idle_mongod_ms_per_s = 0.0

    def learn_idle(self, seconds: float) -> None:
        """What mongod uses when nobody is connected; taken off every window."""
        before, started = quiet_cpu_s([self._mongod_pid])[0], time.monotonic()
        time.sleep(seconds)
        self.idle_mongod_ms_per_s = (cpu_s(self._mongod_pid) - before) / (time.monotonic() - started) * 1000

    def window(self, plan: Plan, pid: int, not_saved: Callable[[], list[str]] = list) -> Window:
        """Do the plan and say what it cost the process.

        Raises:
            ClientError: the client ended without a result.
        """
        pids = [pid, self._mongod_pid, *([self._redis_pid] if self._redis_pid else [])]
        with _client() as client:
            client.send(plan.line())
            client.expect_ready()
            before, started = quiet_cpu_s(pids), time.monotonic()
            client.send("go\n")
            result = client.result()
            after, ended = quiet_cpu_s(pids), time.monotonic()
        server_s, mongod_s, *redis_s = (end - begin for begin, end in zip(before, after, strict=True))
        errors = result["errors"] + not_saved()
        idle_ms = self.idle_mongod_ms_per_s * (ended - started)
        return Window(
            server_ms=server_s * 1000 / plan.measured,
            mongod_ms=max(0.0, mongod_s * 1000 - idle_ms) / plan.measured,
            rate=result["right"] / result["elapsed_s"],
            first_token_ms=[seconds * 1000 for seconds in result["first_token_s"]],
            pieces=statistics.fmean(result["pieces"] or [0]),
            errors=errors,
            wrong=max(len(errors), result["wrong"], plan.measured - result["right"]),
            redis_ms=sum(redis_s) * 1000 / plan.measured,
        )


class _Client:
    """The client's process, spoken to a line at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def expect_ready(self) -> None:
        if self._line() != "ready\n":
            raise ClientError("The client could not begin.")

    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self._line())
        return result

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ClientError(f"The client ended early: {self._process.communicate()[1][-2000:]}")
        return line


@contextmanager
def _client() -> Iterator[_Client]:
    command = [sys.executable, "-m", "tests.bench.client"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield _Client(process)
        finally:
            process.kill()
