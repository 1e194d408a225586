"""The processes of the bench: each listens on the loopback, writes its log to a file, and ends with the bench."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eloquent.embedded import ports
from eloquent.embedded.spawner import LAUNCHER

PROJECT = Path(__file__).resolve().parents[2]
START_PATIENCE_S = 60
# The same for both servers: one process, the fast loop and parser, no line of access log from uvicorn.
UVICORN = ("-m", "uvicorn", "--host", ports.LOOPBACK, "--loop", "uvloop", "--http", "httptools", "--no-access-log")


class StartError(Exception):
    """With the end of the server's log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    pid: int
    port: int
    log: Path


@contextmanager
def running(name: str, arguments: list[str], environment: Mapping[str, str], directory: Path) -> Iterator[Server]:
    """A Python process that listens on the port appended to its arguments; ended at exit.

    It works in `directory`, where its log is, so that a developer's `.env` changes nothing.

    Raises:
        StartError: it ended or did not listen within a minute.
    """
    port = ports.any_free_port()
    path = directory / f"{name}.log"
    command = [sys.executable, *arguments, "--port", str(port)]
    # The launcher makes the kernel end the child when this process is killed.
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM)), *command]
    with path.open("ab") as log:
        process = subprocess.Popen(
            launch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    try:
        _wait_until_it_listens(name, process, port, path)
        yield Server(process.pid, port, path)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def warnings_in(log: Path) -> list[str]:
    """What the product's log complains of, each sentence once with its number; to explain what went wrong."""
    said: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in {"warning", "error", "critical"}:
            what = [str(entry.get(key)) for key in ("event", "code", "error", "exception") if entry.get(key)]
            # What is published speaks of no machine's folders.
            said[" / ".join(what).replace(f"{PROJECT}/", "")[-300:]] += 1
    return [f"the server's log, {count} times: {sentence}" for sentence, count in said.most_common(5)]


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """The process stands still, so that what it does of its own accord is not another's cost."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def awake(pid: int) -> Iterator[None]:
    """A paused process goes on for a while."""
    os.kill(pid, signal.SIGCONT)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGSTOP)


def _wait_until_it_listens(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_PATIENCE_S
    while not ports.accepts(port):
        if process.poll() is not None or time.monotonic() > give_up:
            lines = log.read_text(errors="replace").splitlines()[-25:]
            raise StartError("\n".join([f"{name} did not start:", *lines]))
        time.sleep(0.05)
