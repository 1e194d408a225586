"""How the server comes and goes: uvicorn in a process of its own, signals as a platform sends them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eloquent.foundation import lifecycle
from eloquent.foundation.timeout_chain import DRAIN_S
from tests.front_door.threaded_server import Connection

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """uvicorn with `draining_app`; its standard output is what happens in it, line by line."""

    is_tls = False

    def __init__(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "tests.front_door.draining_app:application", "--port", "0"]
        command += ["--loop", "uvloop", "--http", "httptools", "--timeout-graceful-shutdown", "2"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
        )
        assert self.next_event() == "started"
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "Uvicorn running on" in line:
                self.port = int(line.split("http://127.0.0.1:")[1].split(" ")[0])
                break

    def next_event(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> str:
        """Wait for the process to end; everything it still wrote to its log."""
        return self._process.communicate(timeout=20)[1]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def _environment() -> dict[str, str]:
    return {**os.environ, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.kill()


def asked(process: Process, target: str) -> bytes:
    with Connection(process) as connection:
        connection.send(target)
        return connection.answer()[2]


def test_running_answers_finish_after_sigterm_and_their_readers_stay(process: Process) -> None:
    with Connection(process) as reader:
        reader.send("/api/silent")
        reader.until(b"first\r\n")
        assert asked(process, "/api/state") == b"open"
        process.signal(signal.SIGTERM)
        assert process.next_event() == f"drain {DRAIN_S:g}"
        # Still served, on new connections too: the reader, a stop request, the balancer's question.
        assert asked(process, "/api/state") == b"draining"
        assert asked(process, "/api/finish") == b"finished"
        assert reader.rest() == b""
    log = process.end()
    assert '"streams_cut":1' in log
    assert "Application shutdown complete" in log
    assert "timeout graceful shutdown exceeded" not in log
    assert "Traceback" not in log


def test_a_second_sigterm_ends_the_wait(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert process.next_event() == f"drain {DRAIN_S:g}"
    process.signal(signal.SIGTERM)
    assert process.next_event() == "drain 0"
    assert process.next_event() == "interrupted"
    assert "Application shutdown complete" in process.end()


def test_ctrl_c_interrupts_at_once(process: Process) -> None:
    process.signal(signal.SIGINT)
    assert process.next_event() == "drain 0"
    assert process.next_event() == "interrupted"
    assert "Application shutdown complete" in process.end()


def test_server_lines_are_json_and_requests_are_not_logged_twice(process: Process) -> None:
    asked(process, "/api/state")
    process.signal(signal.SIGINT)
    lines = process.end().splitlines()
    assert lines
    assert all(line.startswith('{"time":') for line in lines), lines
    assert not [line for line in lines if "/api/state" in line]


@pytest.fixture
def open_again() -> Iterator[None]:
    yield
    lifecycle.open_for_work()


async def test_what_never_closes_is_let_go_of_and_operators_hear_the_last_words(
    monkeypatch: pytest.MonkeyPatch, open_again: None, caplog: pytest.LogCaptureFixture
) -> None:
    from eloquent import lifespan

    told = []

    async def nothing(_lifespan: object) -> None:
        return None

    async def never() -> None:
        await asyncio.Event().wait()

    async def drained(_within_s: float) -> None:
        return None

    async def close_telemetry(_closers: object) -> None:
        told.append([record.getMessage() for record in caplog.records])

    # Neither opened nor closed: another server of this process goes on.
    monkeypatch.setattr(lifespan.Lifespan, "_open", nothing)
    monkeypatch.setattr(lifespan.work, "drain", drained)
    monkeypatch.setattr(lifespan, "_close_all", never)  # MongoDB is away
    monkeypatch.setattr(lifespan, "CLOSING_S", 0.05)
    monkeypatch.setattr(lifespan, "close_telemetry", close_telemetry)
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    async with asyncio.timeout(10):
        await lifespan.Lifespan(end_streams=lambda: 0)({"type": "lifespan"}, receive, send)
    [words] = told
    assert "let go of what does not close in time" in words
    assert sent[-1] == "lifespan.shutdown.complete"


async def test_a_start_that_fails_is_told_to_the_server(monkeypatch: pytest.MonkeyPatch, open_again: None) -> None:
    from eloquent import lifespan

    async def startup() -> None:
        raise RuntimeError("no database")

    monkeypatch.setattr(lifespan.work, "startup", startup)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await lifespan.Lifespan(end_streams=lambda: 0)({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "no database"}]


async def test_a_part_that_does_not_close_keeps_no_other_open(
    monkeypatch: pytest.MonkeyPatch, open_again: None
) -> None:
    from eloquent import lifespan

    closed = []

    def closing(name: str, error: Exception | None = None) -> Any:
        async def close() -> None:
            closed.append(name)
            if error is not None:
                raise error

        return close

    async def nothing() -> None:
        return None

    async def drain(within_s: float) -> None:
        closed.append(f"runs within {within_s:g}")
        raise RuntimeError("stuck")

    monkeypatch.setattr(lifespan.work, "startup", nothing)
    monkeypatch.setattr(lifespan.work, "close", closing("work", RuntimeError("stuck")))
    monkeypatch.setattr(lifespan, "close_http_client", closing("http", RuntimeError("stuck")))
    monkeypatch.setattr(lifespan, "close_redis", closing("redis"))
    monkeypatch.setattr(lifespan, "close_database", closing("database"))
    monkeypatch.setattr(lifespan.work, "drain", drain)
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await lifespan.Lifespan(end_streams=lambda: 0)({"type": "lifespan"}, receive, send)
    assert closed == ["runs within 0", "work", "http", "redis", "database"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert lifecycle.is_draining()
