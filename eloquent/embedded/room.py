"""A server's directory: its lock, its state file, and the process that the state file names.

DIRECTORY/lock          held (flock) by the process that supervises the server; released by its death too
DIRECTORY/state.json    {"pid", "started", "port", "address"} of the server that was started last
DIRECTORY/<name>.log    what the server prints; the log before it is <name>.log.1
DIRECTORY/data/         the server's own files
"""

import fcntl
import getpass
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

LOG_LIMIT = 10 * 2**20
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class ServerState:
    """The server that was started last. `started` tells it from a later process with the same id."""

    pid: int
    started: str
    port: int
    address: str

    def is_alive(self) -> bool:
        """Whether exactly this process still exists."""
        return bool(self.started) and started_at(self.pid) == self.started


class Room:
    """The directory of one server. Nothing is written before `claim`."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.programs = self.directory / "bin"
        self.log_path = self.directory / f"{name}.log"
        self._state_path = self.directory / "state.json"
        self._lock: IO[bytes] | None = None

    def claim(self) -> bool:
        """Takes the lock; False when another process (or object) has it. Raises OSError when it may not be written."""
        if self._lock is not None:
            return True
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data.mkdir(exist_ok=True, mode=0o700)
        lock = (self.directory / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Gives the lock back. The file stays: removing it would let two processes lock two different files."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def state(self) -> ServerState | None:
        """What the state file says, or None when there is none that can be read."""
        try:
            return ServerState(**json.loads(self._state_path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, state: ServerState) -> None:
        """Writes the state file in one step: a reader sees the old or the new, never half."""
        unfinished = self._state_path.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(state)), encoding="utf-8")
        unfinished.replace(self._state_path)

    def open_log(self) -> IO[bytes]:
        """The log, to append to. One that has grown past 10 MB is put aside first."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return self.log_path.open("ab")

    def log_since(self, offset: int) -> str:
        """What was printed after that many bytes, at most the last 64 KiB of it."""
        try:
            with self.log_path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(offset, size - 2**16))
                return log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""


def started_at(pid: int) -> str:
    """When that process started, in the system's own unit, or "" when it is not alive (a zombie is not)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _started_at_without_proc(pid)
    except (ProcessLookupError, PermissionError):
        return ""
    # The second field is the program's name in brackets and may hold blanks and brackets itself.
    fields = text.rpartition(")")[2].split()
    state, start_ticks = fields[0], fields[19]
    return "" if state in {"Z", "X"} else start_ticks


def _started_at_without_proc(pid: int) -> str:
    asked = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def end_leftover(state: ServerState, grace_s: float) -> bool:
    """Ends a server whose supervisor is gone: SIGTERM, SIGKILL after `grace_s`. False when it may not be signalled."""
    for death, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if not state.is_alive():
            return True
        try:
            os.kill(state.pid, death)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            if not state.is_alive():
                return True
            time.sleep(LOOK_EVERY_S)
    return not state.is_alive()


def user_name() -> str:
    """Who we are, as a name when the system knows one, else as a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
