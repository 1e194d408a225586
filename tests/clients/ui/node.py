"""Node and the frontends' packages: where they are, how they are installed, and a frontend to be driven by a test.

`python -m tests.clients.ui.node` sees to it that they are there, before a test run that needs them.
"""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OPENID = HERE.parent / "openid"
OLDEST_NODE = 20
MISSING = "The clients' tests need Node 20 or newer with npm on the PATH. On Debian and Ubuntu: apt-get install -y npm"
_INSTALL_S = 600
_ANSWER_S = 40
# The longest line: a whole chat with all its messages.
_LONGEST_LINE = 64 * 1024 * 1024


class NodeMissing(Exception):
    """No Node that will do; the message says what to install."""


def node_path() -> Path:
    """The program.

    Raises:
        NodeMissing: there is none, or it is too old.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NodeMissing(MISSING)
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(told.strip().removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise NodeMissing(f"{MISSING} (this is Node {told.strip()})")
    return Path(node)


def installed(place: Path = HERE) -> None:
    """Install the packages that the lock file of this place names, unless they are there.

    Raises:
        NodeMissing: there is no Node, or npm could not install; its words are in the message.
    """
    _require_node()
    lock, mark = place / "package-lock.json", place / "node_modules" / ".installed"
    if mark.exists() and mark.read_bytes() == lock.read_bytes():
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
    if done.returncode:
        raise NodeMissing(f"npm could not install the clients' packages:\n{done.stdout}{done.stderr}")
    mark.write_bytes(lock.read_bytes())


def _require_node() -> None:
    """Node; where there is none and we may, Debian's package is installed first."""
    try:
        node_path()
    except NodeMissing:
        if shutil.which("apt-get") is None or os.geteuid():
            raise
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "nodejs", "npm"]):
            subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
        node_path()


class Frontend:
    """A Node process with a version of the AI SDK in it (agent.mjs). Any number of chats may be open in it."""

    def __init__(self, process: asyncio.subprocess.Process, version: str, transport: str) -> None:
        self.version = version
        self.transport = transport
        self._process = process
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def do(self, op: str, **fields: Any) -> Any:
        """Carry out a command of the agent and return its result.

        Raises:
            AssertionError: it failed there, or has not come back in time.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "op": op, **fields}).encode() + b"\n")
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except TimeoutError:
            raise AssertionError(f"{op} {fields} did not come back") from None

    async def listen(self) -> None:
        """Hand answers to those who wait for them, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            waiting = self._waiting.pop(told["id"])
            if "error" in told:
                waiting.set_exception(AssertionError(told["error"]))
            else:
                waiting.set_result(told["result"])
        for waiting in self._waiting.values():
            waiting.set_exception(AssertionError("the frontend has ended"))


@asynccontextmanager
async def running_frontend(version: str, transport: str = "http") -> AsyncIterator[Frontend]:
    """A frontend of this version; it and all its connections end with the block."""
    process = await asyncio.create_subprocess_exec(
        str(node_path()),
        "agent.mjs",
        version,
        transport,
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    frontend = Frontend(process, version, transport)
    listening = asyncio.create_task(frontend.listen())
    try:
        yield frontend
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening


if __name__ == "__main__":
    try:
        for place in (HERE, OPENID):
            installed(place)
    except NodeMissing as missing:
        sys.exit(str(missing))
