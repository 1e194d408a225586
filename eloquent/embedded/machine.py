"""A whole chat on one machine: which servers are missing, in which order they start and stop, what the user is told."""

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from eloquent.embedded.base import EmbeddedServer
from eloquent.embedded.errors import EmbeddedServerError, NotPermitted
from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.embedded.mongod import Mongod
from eloquent.embedded.preparation import prepare_database
from eloquent.embedded.room import Room, ServerState, started_at, user_name
from eloquent.embedded.supervisor import Stopped, Supervisor
from eloquent.embedded.terminal import Terminal
from eloquent.embedded.valkey import Valkey
from eloquent.embedded.web import WebServer

MONGODB_PORT = 27017
VALKEY_PORT = 6379
MODEL_SETTINGS = frozenset({"OLLAMA_HOST", "LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "BEDROCK_MODEL_ID"})
# A database that is down must not hold a request for the driver's 30 s.
SERVER_SELECTION = "&serverSelectionTimeoutMS=5000"
# Where other commands on this machine find what runs; eloquent.foundation.config reads it.
RUNNING_FILE = "running.env"


def servers_of(state_dir: Path) -> dict[str, EmbeddedServer]:
    """Every server that may be needed, by the setting that would name another one."""
    servers: tuple[EmbeddedServer, ...] = (
        Mongod(state_dir / "mongod", MONGODB_PORT),
        Valkey(state_dir / "valkey", VALKEY_PORT),
        LlamaCpp(data_dir=state_dir / "llamacpp"),
    )
    return {server.setting: server for server in servers}


def missing_servers(named: Collection[str], state_dir: Path) -> list[EmbeddedServer]:
    """Those that no setting in `named` replaces, in the order in which they are needed."""
    model_named = not MODEL_SETTINGS.isdisjoint(named)
    return [
        server
        for setting, server in servers_of(state_dir).items()
        if not (setting in named or (setting in MODEL_SETTINGS and model_named))
    ]


class Machine:
    """One `manage.py up`. Port 0 is any free one. `named` are the settings that say where a server is already."""

    def __init__(
        self, state_dir: Path, named: Collection[str], *, host: str, port: int, workers: int = 1, terminal: Terminal
    ) -> None:
        self._state_dir = state_dir.resolve()
        self._room = Room(self._state_dir / "up", "up")
        self._terminal = terminal
        self._supervisor = Supervisor(terminal)
        self._missing = missing_servers(named, self._state_dir)
        self._web = WebServer(self._state_dir / "web", port or None, host, workers)
        # JSON is for machines; whoever named a format gets it.
        for_eyes = terminal.is_interactive and "LOG_FORMAT" not in named
        self._log_format = {"LOG_FORMAT": "console"} if for_eyes else {}
        self._echoed = 0

    def run(self) -> int:
        """Until Ctrl-C, SIGTERM or a failure. Returns the exit code: 0 unless something failed."""
        try:
            if not self._room.claim():
                return self._say_what_runs()
        except PermissionError:
            self._terminal.problem(str(NotPermitted("Eloquent AI", self._state_dir, user_name())))
            return 1
        except OSError as error:
            self._terminal.problem(f"{self._state_dir} cannot hold the data: {error.strerror}.")
            return 1
        with self._signals(), self._terminal.lively():
            try:
                self._start()
            except Stopped:
                failed = False
            except EmbeddedServerError as error:
                self._terminal.problem(str(error))
                failed = True
            else:
                failed = self._watch()
            finally:
                (self._state_dir / RUNNING_FILE).unlink(missing_ok=True)
                self._supervisor.stop()
                self._echo_log()
                self._room.release()
        self._terminal.say("All stopped." if not failed else "All stopped, after a failure.")
        return int(failed)

    def _start(self) -> None:
        """Everything at once that does not wait for something else: the model loads while the database is prepared."""
        began = time.monotonic()
        futures = self._supervisor.start(*self._missing)
        database = [future for server, future in zip(self._missing, futures, strict=True) if isinstance(server, Mongod)]
        self._supervisor.wait_for(database)
        account = self._prepare()
        self._supervisor.wait_for(futures)
        self._tell_other_commands()
        self._web.settings = {**self._settings(), **self._log_format}
        self._supervisor.wait_for(self._supervisor.start(self._web))
        address = self._web.address
        pid = os.getpid()
        self._room.remember(ServerState(pid, started_at(pid), self._web.port, address))
        self._echoed = self._web.log_path.stat().st_size
        self._announce(address, account, time.monotonic() - began)

    def _prepare(self) -> str:
        began = time.monotonic()
        with self._terminal.step("database", "is being prepared"):
            told = prepare_database(self._settings(), self._room.log_path, self._supervisor.stop_wanted)
        if self._supervisor.stop_wanted.is_set():
            raise Stopped
        self._terminal.done("database", time.monotonic() - began, "up to date")
        return told

    def _settings(self) -> dict[str, str]:
        """The addresses of the servers that run by now."""
        running = {server.setting: server.address for server in self._missing if server.is_running()}
        if Mongod.setting in running:
            running[Mongod.setting] += SERVER_SELECTION
        return running

    def _tell_other_commands(self) -> None:
        """Write the addresses down, so that `manage.py ask` beside us needs no setting."""
        lines = [f"{setting}={address}\n" for setting, address in self._settings().items()]
        (self._state_dir / RUNNING_FILE).write_text("".join(lines), encoding="utf-8")

    def _announce(self, address: str, account: str, took_s: float) -> None:
        self._terminal.say()
        self._terminal.say(f"Eloquent AI is ready after {took_s:.1f} s.", style="bold")
        for what, path in (("Chat", "/"), ("Staff", "/admin/"), ("API", "/api/v1/docs")):
            self._terminal.say(f"  {what:<6} {address}{path}")
        if account:
            self._terminal.say(f"\n{account}", style="bold")
        self._terminal.say(f"\nCtrl-C stops everything. The data stays in {self._state_dir}.")

    def _watch(self) -> bool:
        """Whether something failed."""
        try:
            self._supervisor.watch(self._echo_log)
        except Stopped:
            return False
        except EmbeddedServerError as error:
            self._terminal.problem(str(error))
            return True
        return False

    def _echo_log(self) -> None:
        """What the web server has written since the last look."""
        try:
            with self._web.log_path.open("rb") as log:
                log.seek(self._echoed)
                new = log.read()
        except OSError:
            return
        whole_lines = new[: new.rfind(b"\n") + 1]
        self._echoed += len(whole_lines)
        if whole_lines:
            self._terminal.say(whole_lines.decode("utf-8", errors="replace").rstrip("\n"))

    def _say_what_runs(self) -> int:
        """0 when it serves: what was asked for is there."""
        state = self._room.state()
        if state is None or not state.is_alive():
            self._terminal.notice(f"Eloquent AI is being started or stopped by another process in {self._state_dir}.")
            return 1
        self._terminal.say(f"Eloquent AI runs already (process {state.pid}): {state.address}/", style="bold")
        for server in servers_of(self._state_dir).values():
            there = server.running_elsewhere()
            if there:
                self._terminal.say(f"  {server.name:<12}{there.address} (process {there.pid})")
        self._terminal.say(f"Nothing was started. To stop it: Ctrl-C in its terminal, or kill {state.pid}")
        return 0

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C (or SIGTERM, or the terminal's end) stops in order, the second hurries."""

        def stop(number: int, frame: FrameType | None) -> None:
            del number, frame
            if self._supervisor.stop_wanted.is_set():
                self._supervisor.hurry.set()
            self._terminal.hint = "- Ctrl-C again to hurry"
            self._supervisor.stop_wanted.set()

        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: the terminal's end shall not matter
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
