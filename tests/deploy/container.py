"""Runs a program of the image as ECS does: a root that nobody can write, a user without rights, `/tmp` alone in memory.

With the kernel's own means: namespaces for mounts and processes, so that the program is process 1, a bind mount that
is read-only, `setpriv` of the image itself to become the user without capabilities and without ways to get any. The
network is the machine's.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.deploy.tools import system_program

_SET_UP: Final = r"""
set -eu
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=64m tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""
# Nothing of ours is inherited: a container has the environment that it was given.
_NOTHING_MORE: Final = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--reset-env")


class Container:
    """The files of an image and what it says of itself."""

    def __init__(self, root: Path, config: Mapping[str, Any]) -> None:
        self.root = root
        self.config = config

    def start(self, command: Sequence[str] | None = None, **settings: str) -> "Process":
        """Start a program, the image's own without one, with these settings beside the image's."""
        user, _, group = self.config["User"].partition(":")
        environment = dict(entry.split("=", 1) for entry in self.config["Env"]) | settings
        inside = [
            *("setpriv", f"--reuid={user}", f"--regid={group or user}", *_NOTHING_MORE),
            *("env", "-i", f"--chdir={self.config['WorkingDir']}"),
            *(f"{name}={value}" for name, value in environment.items()),
            *(self.config["Cmd"] if command is None else command),
        ]
        unshare = [system_program("unshare", "util-linux"), "--mount", "--pid", "--fork"]
        return Process([*unshare, "sh", "-c", _SET_UP, "set-up", str(self.root), *inside])

    def run(self, *command: str, **settings: str) -> str:
        """What a program prints that ends well."""
        code, said = self.start(command, **settings).ended(120)
        assert code == 0, said
        return said

    @property
    def health_command(self) -> list[str]:
        """What the platform runs to see whether it is alive."""
        (kind, *command) = self.config["Healthcheck"]["Test"]
        assert kind == "CMD", "a shell is not needed"
        return command


class Process:
    """A program in a container."""

    def __init__(self, command: Sequence[str]) -> None:
        # A file, since nobody reads while it runs.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        self._outside = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        """Of the container's process 1, as this machine counts."""
        children = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children")
        give_up = time.monotonic() + 10
        while not (found := children.read_text().split()):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        return int(found[0])

    def send(self, number: signal.Signals) -> None:
        """As the platform does: to process 1."""
        subprocess.run(["kill", f"-{number.value}", str(self.pid)], check=True)

    def status(self) -> dict[str, str]:
        """What the kernel says of process 1: Uid, CapEff, NoNewPrivs and more."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return dict(line.replace("\t", " ").split(": ", 1) for line in lines if ": " in line.replace("\t", " "))

    def files_in(self, directory: str) -> list[str]:
        """What lies there, as the container sees it."""
        place = Path(f"/proc/{self.pid}/root/{directory}")
        return sorted(str(path.relative_to(place)) for path in place.rglob("*"))

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._outside.poll() is None

    def ended(self, within_s: float) -> tuple[int, str]:
        """Wait for its end: the code, and what it printed."""
        try:
            self._outside.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._output.seek(0)
        return self._outside.returncode, self._output.read().decode(errors="replace")

    def kill(self) -> None:
        """End it, and all that it started. The kernel forgets to do so for `unshare` once process 1 is another user."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._outside.wait(10)
