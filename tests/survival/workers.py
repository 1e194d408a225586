"""Server processes as deployed, to be killed, frozen, sent away and started again on the same port."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from eloquent.embedded.web import WebServer
from eloquent.foundation.config import Config

# What the developer has in the environment does not reach a worker: an empty value counts as not set.
NOTHING_SET = dict.fromkeys((name.upper() for name in Config.model_fields), "")


class Worker(WebServer):
    """One server process. `changes` are constants with other values (`{"SEND_TIMEOUT_S": 2}`): see `changed_worker`."""

    start_timeout_s: ClassVar[float] = 120.0

    def __init__(
        self, directory: Path, settings: Mapping[str, str], changes: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(directory, None)
        self.settings = {**NOTHING_SET, **settings}
        self._changes = dict(changes or {})

    def command(self, port: int) -> list[str]:
        if not self._changes:
            return super().command(port)
        changes = [f"{name}={value:g}" for name, value in self._changes.items()]
        address = ["--host", self.host, "--port", str(port)]
        return [sys.executable, "-m", "tests.survival.changed_worker", *changes, *address]

    async def begin(self) -> None:
        """Started, whatever state it was in; returns when it is ready."""
        if self.is_running():
            self.signal(signal.SIGCONT)
        else:
            await asyncio.to_thread(self.kill)  # its room is given back, so that it can be taken anew
        await asyncio.to_thread(self.start)

    async def die(self) -> None:
        """As by SIGKILL."""
        await asyncio.to_thread(self.kill)

    async def until_gone(self) -> int:
        """Wait for its end; returns its exit code."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal and return at once."""
        os.kill(self.pid, number)

    def errors(self) -> list[str]:
        """What it took for an error itself, and logged."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        name = self.log_path.parent.name
        return [f"{name} logged: {line[:200]} ... {line[-600:]}" for line in lines if '"level":"error"' in line]
