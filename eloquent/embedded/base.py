"""A server as a supervised child process: one class a kind, this is what they share.

Start, wait until it answers, stop (SIGTERM, then SIGKILL), restart on the same port. The child ends when this process
ends, even by SIGKILL. One process at a time serves a directory; a second start says what runs already.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from eloquent.embedded import ports
from eloquent.embedded.diagnosis import Diagnosis
from eloquent.embedded.errors import AlreadyRunning, DiskFull, EmbeddedServerError, NotPermitted, PortTaken
from eloquent.embedded.room import LOOK_EVERY_S, Room, ServerState, end_leftover, started_at, user_name
from eloquent.embedded.spawner import spawn

ATTEMPTS_AT_A_PORT = 5
SAME_PORT_PATIENCE_S = 10.0
HURRIED_GRACE_S = 3.0
LINES_SHOWN = 8
MEBIBYTE = 2**20


class EmbeddedServer(ABC):
    """One server in one directory.

    `port` is a wish: when it is taken, the next free one is used and `notice` says so; None means the port of the
    last time, else any free one. Once it has answered on a port, later starts of the same object insist on that port,
    because others were told the address.

    All methods may be called from any thread.
    """

    name: ClassVar[str]
    """What people call it."""
    log_name: ClassVar[str]
    host: str = ports.LOOPBACK
    needs_fresh_bytes: ClassVar[int] = 0
    """Free disk space for a start without data."""
    needs_bytes: ClassVar[int] = 0
    """Free disk space for a start with data."""
    essential: ClassVar[bool] = False
    """Whether nothing works without it."""
    restarts: ClassVar[bool] = True
    """Whether it is worth a new try when it has ended by itself."""
    setting: ClassVar[str] = ""
    """The setting that tells our processes its address."""
    start_timeout_s: ClassVar[float] = 60.0
    stop_grace_s: ClassVar[float] = 30.0
    hurried_grace_s: ClassVar[float] = HURRIED_GRACE_S
    hurry_signal: ClassVar[signal.Signals] = signal.SIGTERM
    death_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """What it gets from the kernel when this process is gone."""

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        self._room = Room(Path(data_dir), self.log_name)
        self._wished_port = port
        self._port: int | None = None
        self._insists_on_port = False
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._turn = threading.RLock()
        self._wanted = threading.Event()
        self.notice: str | None = None

    # What a kind has to say about itself.

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The program (a path) and its arguments. Raises ProgramMissing."""

    @abstractmethod
    def address_of(self, port: int) -> str:
        """The URL under which a client finds it."""

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Whether it can be used now. Asked again and again; makes it usable where that needs a word from us."""

    def environment(self) -> Mapping[str, str] | None:
        """The child's environment; None is our own."""
        return None

    def explain(self, code: int, said: str) -> EmbeddedServerError | None:
        """Why it ended with this code after printing this, when the kind knows better than everybody does."""
        del code, said
        return None

    def last_words(self) -> list[str]:
        """What else helps to see why it is not ready."""
        return []

    def leave(self) -> None:
        """Called when it was stopped or killed: the directory is free for the next."""
        self._room.release()

    # What its user does with it.

    @property
    def pid(self) -> int:
        """The process id. Raises EmbeddedServerError when it was never started."""
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} was not started.")
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it has. Raises EmbeddedServerError when it was never started."""
        if self._port is None:
            raise EmbeddedServerError(f"{self.name} was not started.")
        return self._port

    @property
    def address(self) -> str:
        """The URL under which a client finds it. Raises EmbeddedServerError when it was never started."""
        return self.address_of(self.port)

    @property
    def log_path(self) -> Path:
        """Where it writes what it prints."""
        return self._room.log_path

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative number names the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def running_elsewhere(self) -> ServerState | None:
        """The server that some other process runs in this directory now; None when there is none."""
        state = self._room.state()
        return state if state is not None and state.is_alive() else None

    def is_running(self) -> bool:
        """Whether its process exists. It may still be starting or stopping."""
        return self._process is not None and self._process.poll() is None

    def last_lines(self, count: int = LINES_SHOWN) -> list[str]:
        """The end of its log since the last start."""
        return self._room.log_since(self._log_start).splitlines()[-count:]

    def start(self) -> None:
        """Returns when it answers; at once when it runs already. Raises EmbeddedServerError."""
        with self._turn:
            if self.is_running():
                return
            self._wanted.set()
            self._claim()
            try:
                self._end_leftover()
                self._check_space()
                self._start_on_some_port()
            except BaseException:
                self._end_process(signal.SIGTERM, grace_s=HURRIED_GRACE_S)
                self._room.release()
                raise

    def stop(self, *, hurry: threading.Event | None = None) -> None:
        """Asks it to end, and ends it after `stop_grace_s`, or soon after somebody sets `hurry`.

        Returns when it is gone. Harmless when it does not run. A start that is under way in another thread gives up.
        """
        self.give_up_starting()
        with self._turn:
            self._end_process(signal.SIGTERM, grace_s=self.stop_grace_s, hurry=hurry)
            self.leave()

    def give_up_starting(self) -> None:
        """A start that is under way in another thread raises soon. Returns at once."""
        self._wanted.clear()

    def kill(self) -> None:
        """Ends it at once, as a crash would. What survives is the test of its data directory."""
        self.give_up_starting()
        with self._turn:
            self._end_process(signal.SIGKILL, grace_s=HURRIED_GRACE_S)
            self.leave()

    def __enter__(self) -> Self:
        """`start`: returns when the server answers, or raises what kept it from that."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """`stop`, however the block ended."""
        self.stop()

    # How.

    def _claim(self) -> None:
        try:
            ours = self._room.claim()
        except PermissionError as error:
            raise NotPermitted(self.name, self._room.directory, user_name()) from error
        except OSError as error:
            raise self._diagnosis().of_os_error(error) from error
        if not ours:
            state = self._room.state()
            alive = state is not None and state.is_alive()
            raise AlreadyRunning(
                self.name,
                self._room.directory,
                state.pid if state and alive else None,
                state.address if state and alive else None,
            )
        if not os.access(self._room.data, os.W_OK | os.X_OK):
            self._room.release()
            raise NotPermitted(self.name, self._room.data, user_name())

    def _end_leftover(self) -> None:
        """A server whose supervisor was killed may still be saving its data: two on one directory would spoil it."""
        state = self._room.state()
        if state is not None and not end_leftover(state, self.stop_grace_s):
            raise AlreadyRunning(self.name, self._room.directory, state.pid, state.address)

    def _check_space(self) -> None:
        fresh = not any(self._room.data.iterdir())
        needed = self.needs_fresh_bytes if fresh else self.needs_bytes
        free = shutil.disk_usage(self._room.directory).free
        if free < needed:
            raise DiskFull(self.name, self._room.directory, needed, free)

    def _start_on_some_port(self) -> None:
        for attempt in range(ATTEMPTS_AT_A_PORT):
            port = self._choose_port()
            try:
                self._start_on(port)
            except PortTaken:
                # Somebody was quicker between our look and the server's own. A fixed port is waited for no longer.
                if self._insists_on_port or attempt == ATTEMPTS_AT_A_PORT - 1:
                    raise
            else:
                break

    def _choose_port(self) -> int:
        self.notice = None
        if self._insists_on_port and self._port is not None:
            give_up = time.monotonic() + SAME_PORT_PATIENCE_S
            while not ports.is_free(self._port, self.host):
                if time.monotonic() > give_up:
                    raise PortTaken(self.name, self._port)
                time.sleep(LOOK_EVERY_S)
            return self._port
        if self._wished_port is None:
            last = self._room.state()
            return last.port if last and ports.is_free(last.port, self.host) else ports.any_free_port()
        if ports.is_free(self._wished_port, self.host):
            return self._wished_port
        port = ports.next_free_port(self._wished_port + 1, self.host)
        self.notice = f"Port {self._wished_port} is in use by another program; {self.name} uses {port}."
        return port

    def _start_on(self, port: int) -> None:
        command = self.command(port)
        self._port = port
        try:
            with self._room.open_log() as log:
                self._log_start = log.tell()
                self._process = spawn(
                    command,
                    log=log,
                    environment=self.environment(),
                    death_signal=self.death_signal,
                )
            pid = self._process.pid
            self._room.remember(ServerState(pid, started_at(pid), port, self.address_of(port)))
        except PermissionError as error:
            raise NotPermitted(self.name, self._room.directory, user_name()) from error
        except OSError as error:
            raise self._diagnosis().of_os_error(error) from error
        self._wait_until_it_answers(self._process, port)
        self._insists_on_port = True

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], port: int) -> None:
        give_up = time.monotonic() + self.start_timeout_s
        while True:
            code = process.poll()
            if code is not None:
                said = self._room.log_since(self._log_start)
                known = self.explain(code, said)
                raise known or self._diagnosis().of_end(code, said, self.last_lines(), port)
            if ports.listens(process.pid, port, self.host) and self.answers(port):
                return
            if not self._wanted.is_set():
                raise EmbeddedServerError(f"{self.name} was stopped while it started.")
            if time.monotonic() > give_up:
                said = self._room.log_since(self._log_start)
                raise self._diagnosis().of_silence(self.start_timeout_s, said, self.last_lines() + self.last_words())
            time.sleep(LOOK_EVERY_S)

    def _diagnosis(self) -> Diagnosis:
        return Diagnosis(self.name, self._room.directory, self.log_path, self.needs_fresh_bytes)

    def _end_process(self, how: signal.Signals, *, grace_s: float, hurry: threading.Event | None = None) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        give_up = time.monotonic() + grace_s
        hurried = False
        while process.poll() is None:
            if hurry is not None and hurry.is_set() and not hurried:
                hurried = True
                process.send_signal(self.hurry_signal)
                give_up = min(give_up, time.monotonic() + self.hurried_grace_s)
            if time.monotonic() > give_up:
                process.kill()
                process.wait()
            time.sleep(LOOK_EVERY_S)
