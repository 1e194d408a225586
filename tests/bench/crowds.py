"""A crowd: thousands of readers whose every token's time is known. The plan for `tests.bench.crowd`, and what came."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.bench.answers import TOKENS_PER_ANSWER
from tests.bench.rounds import ClientError
from tests.bench.servers import PROJECT


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the answer that must come back; `stream` is the number that its question named."""

    request: str
    answer: int
    stream: int
    tokens: int = TOKENS_PER_ANSWER


@dataclass(frozen=True, slots=True)
class CrowdReader:
    """One connection: where it comes from, when it begins, and what it asks for, one after another."""

    source: str
    begins_s: float
    exchanges: list[Asked]


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """All readers of one server."""

    dialect: str
    port: int
    readers: list[CrowdReader]
    patience_s: float
    look_every_s: float = 0.0005


@dataclass(slots=True)
class Outcome:
    """What became of one exchange. `arrivals` has the time of each token, when all came as they should."""

    stream: int
    error: str
    sent_at: float | None
    arrivals: list[float]
    pieces: int = 0

    @property
    def first_token_s(self) -> float:
        """From the question to the first token."""
        assert self.sent_at is not None
        return self.arrivals[0] - self.sent_at


@dataclass(slots=True)
class CrowdResult:
    """All that came, by the clock that the upstream's log has too."""

    started_at: float
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def right(self) -> list[Outcome]:
        """The exchanges that were whole and equal to what was expected."""
        return [outcome for outcome in self.outcomes if not outcome.error]

    @property
    def errors(self) -> list[str]:
        """A sentence for each of the others."""
        return [f"stream {outcome.stream}: {outcome.error}" for outcome in self.outcomes if outcome.error]


class Crowd:
    """The readers' process, connected and waiting."""

    def __init__(self, process: subprocess.Popen[str], result: Path) -> None:
        self.pid = process.pid
        self.started_at = 0.0
        self._process = process
        self._result = result

    def go(self) -> None:
        """Let them begin."""
        self._say("go\n")
        self.started_at = time.perf_counter()

    def result(self) -> CrowdResult:
        """Wait for the last of them.

        Raises:
            ClientError: the process ended early.
        """
        self._expect("done\n")
        said: dict[str, Any] = orjson.loads(self._result.read_bytes())
        return CrowdResult(said["started_at"], [Outcome(**outcome) for outcome in said["outcomes"]])

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _expect(self, line: str) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != line:
            raise ClientError(f"The crowd ended early: {self._process.communicate()[1][-2000:]}")


@contextmanager
def crowd(plan: CrowdPlan, directory: Path) -> Iterator[Crowd]:
    """A connected crowd.

    Raises:
        ClientError: it could not connect.
    """
    result = directory / "crowd.json"
    command = [sys.executable, "-m", "tests.bench.crowd", str(result)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            connected = Crowd(process, result)
            connected._say(json.dumps(asdict(plan)) + "\n")
            connected._expect("ready\n")
            yield connected
        finally:
            process.kill()
            result.unlink(missing_ok=True)


def steady_begin(index: int, of: int, within_s: float) -> float:
    """When the reader begins, so that all of them begin evenly within that time."""
    return within_s * index / max(of, 1)


def all_errors(results: Sequence[CrowdResult]) -> list[str]:
    """The errors of all."""
    return [error for result in results for error in result.errors]
