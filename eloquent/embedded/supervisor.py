"""Starts servers side by side, watches them, brings back those that die, stops them in order."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from eloquent.embedded.base import EmbeddedServer
from eloquent.embedded.errors import EmbeddedServerError
from eloquent.embedded.terminal import Terminal

LOOK_EVERY_S = 0.1
RESTARTS = 3
RESTARTS_WITHIN_S = 600.0
RESTART_PAUSE_S = 0.5


class Stopped(Exception):
    """The user wants to stop while something was being started."""


class Supervisor:
    """The servers of one `up`. `stop_wanted` and `hurry` are set by signals."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._servers: list[EmbeddedServer] = []
        self._restarts: dict[str, deque[float]] = {}
        self._given_up: set[str] = set()
        self._starting: list[Future[None]] = []
        self.stop_wanted = threading.Event()
        self.hurry = threading.Event()

    def start(self, *servers: EmbeddedServer) -> list[Future[None]]:
        """Begins to start them, all at once. Each future ends when its server answers, or with why it does not.

        They are stopped in the reverse of the order in which they were given to us.
        """
        self._servers += servers
        return self._begin(servers)

    def wait_for(self, futures: list[Future[None]]) -> None:
        """Returns when all have ended well. Raises the first failure, or Stopped as soon as the user wants to."""
        pending: set[Future[None]] = set(futures)
        while pending:
            if self.stop_wanted.is_set():
                raise Stopped
            done, pending = wait(pending, timeout=LOOK_EVERY_S, return_when="FIRST_EXCEPTION")
            for future in done:
                future.result()

    def watch(self, meanwhile: Callable[[], None]) -> None:
        """Returns when the user wants to stop. `meanwhile` is called ten times a second.

        Raises:
            EmbeddedServerError: something essential ended and could not be brought back.
        """
        while not self.stop_wanted.wait(LOOK_EVERY_S):
            meanwhile()
            for server in self._servers:
                if server.exit_code is not None and server.name not in self._given_up:
                    self._bring_back(server)

    def stop(self) -> None:
        """Stops all, the last given first. Those that still start give up."""
        self.stop_wanted.set()
        for server in self._servers:
            server.give_up_starting()
        wait(self._starting)
        for server in reversed(self._servers):
            if not server.is_running():
                server.stop()
                continue
            began = time.monotonic()
            with self._terminal.step(server.name, "is stopping"):
                server.stop(hurry=self.hurry)
            self._terminal.done(server.name, time.monotonic() - began, "stopped")

    def _begin(self, servers: Sequence[EmbeddedServer]) -> list[Future[None]]:
        pool = ThreadPoolExecutor(max_workers=max(1, len(servers)), thread_name_prefix="start")
        futures = [pool.submit(self._start, server) for server in servers]
        pool.shutdown(wait=False)
        self._starting += futures
        return futures

    def _start(self, server: EmbeddedServer) -> None:
        if self.stop_wanted.is_set():
            raise Stopped
        began = time.monotonic()
        with self._terminal.step(server.name, "is starting"):
            try:
                server.start()
            except EmbeddedServerError as error:
                if server.essential or self.stop_wanted.is_set():
                    raise
                self._given_up.add(server.name)
                self._terminal.notice(f"{error}\nGoing on without {server.name}.")
                return
        if server.notice:
            self._terminal.notice(server.notice)
        self._terminal.done(server.name, time.monotonic() - began, server.address)

    def _bring_back(self, server: EmbeddedServer) -> None:
        told = "".join(f"\n    {line}" for line in server.last_lines())
        self._terminal.problem(f"{server.name} ended unexpectedly (code {server.exit_code}).{told}")
        if not self._may_restart(server):
            self._given_up.add(server.name)
            again = " again and again" if server.restarts else ""
            sentence = f"{server.name} ended{again}. Its log is {server.log_path}."
            if server.essential:
                raise EmbeddedServerError(sentence)
            self._terminal.problem(f"{sentence} Going on without it.")
            return
        self.stop_wanted.wait(RESTART_PAUSE_S)
        self.wait_for(self._begin([server]))

    def _may_restart(self, server: EmbeddedServer) -> bool:
        if not server.restarts:
            return False
        recent = self._restarts.setdefault(server.name, deque())
        now = time.monotonic()
        while recent and recent[0] < now - RESTARTS_WITHIN_S:
            recent.popleft()
        recent.append(now)
        return len(recent) <= RESTARTS
