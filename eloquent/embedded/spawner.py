"""Starts child processes that end when this process ends, whatever ends it.

The kernel's promise (`PR_SET_PDEATHSIG`) is tied to the *thread* that started the child: a server started in a
short-lived worker thread would be ended together with that thread. So every child is started by one thread that
lives as long as the process.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launcher.py")


class _Spawner:
    """The one thread that starts children, made at its first use and never ended."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], list[str], dict[str, object]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name="embedded-spawner", daemon=True).start()

    def _work(self) -> None:
        while True:
            future, command, options = self._orders.get()
            try:
                future.set_result(subprocess.Popen(command, **options))  # type: ignore[call-overload]
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who waits for it
                future.set_exception(error)

    def start(self, command: list[str], options: dict[str, object]) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((future, command, options))
        return future.result()


_spawner: _Spawner | None = None
_making = threading.Lock()


def _forget_after_fork() -> None:
    """A forked child has our variables but not our thread, and perhaps a lock that nobody will release."""
    global _spawner, _making  # noqa: PLW0603
    _spawner = None
    _making = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)


def spawn(
    command: Sequence[str],
    *,
    log: IO[bytes],
    output: IO[bytes] | int | None = None,
    environment: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """A child in a session of its own: Ctrl-C in our terminal does not reach it. What it prints goes to `log`.

    `output` takes its standard output instead (a file or `subprocess.PIPE`). `death_signal` is what the child gets when
    this process ends without having stopped it. `command[0]` is a path.
    """
    global _spawner  # noqa: PLW0603
    with _making:
        if _spawner is None:
            _spawner = _Spawner()
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(death_signal)), *command]
    options: dict[str, object] = {
        "stdin": subprocess.DEVNULL,
        "stdout": log if output is None else output,
        "stderr": log,
        "start_new_session": True,
        "env": None if environment is None else dict(environment),
    }
    return _spawner.start(launch, options)
