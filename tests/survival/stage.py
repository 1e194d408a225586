"""All that a chat of several processes is made of, each part real and to be broken: databases, workers, a model."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from bson import ObjectId
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from eloquent.embedded.base import EmbeddedServer
from eloquent.embedded.mongod import Mongod
from eloquent.embedded.programs import project_environment
from eloquent.embedded.valkey import Valkey
from tests.people import Person
from tests.servers import MEMORY
from tests.survival.dispatcher import Dispatcher
from tests.survival.reader import Reader
from tests.survival.storyteller import NAME, Storyteller
from tests.survival.tales import Tale
from tests.survival.workers import NOTHING_SET, Worker

DATABASE = "survival"
# As `make run` has it.
SERVER_SELECTION = "&serverSelectionTimeoutMS=5000"


class Stage:
    """A chat with so many workers behind a dispatcher at `url`. `async with` starts and ends it."""

    storyteller: type[Storyteller] = Storyteller

    def __init__(self, workers: int = 2, seed: int | None = None) -> None:
        self.seed = random.randrange(2**32) if seed is None else seed
        self.dice = random.Random(self.seed)
        self._count = workers
        self._numbers = itertools.count(1)
        self._people = itertools.count(1)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            place = MEMORY if MEMORY.is_dir() else None
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="survival-", dir=place)))
            self.model = await stack.enter_async_context(self.storyteller())
            self.dispatcher = await stack.enter_async_context(Dispatcher(random.Random(self.seed)))
            self.url = self.dispatcher.url
            self.mongod = Mongod(self.directory / "mongod")
            self.valkey = Valkey(self.directory / "valkey")
            stack.push_async_callback(asyncio.to_thread, self.valkey.kill)
            stack.push_async_callback(asyncio.to_thread, self.mongod.kill)
            await asyncio.gather(asyncio.to_thread(self.mongod.start), asyncio.to_thread(self.valkey.start))
            self.database = AsyncMongoClient(self.mongod.address, tz_aware=True)[DATABASE]
            stack.push_async_callback(self.database.client.close)
            self.redis = Redis.from_url(self.valkey.address)
            stack.push_async_callback(self.redis.aclose)
            await asyncio.to_thread(self._migrate)
            self.workers = [self.new_worker() for _ in range(self._count)]
            for worker in self.workers:
                stack.push_async_callback(worker.die)
            await self.mend()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def settings(self) -> dict[str, str]:
        """What every worker is told."""
        return {
            "ELOQUENT_ENV": "test",
            "ELOQUENT_STATE_DIR": str(self.directory / "state"),
            "MONGODB_URI": self.mongod.address + SERVER_SELECTION,
            "MONGODB_NAME": DATABASE,
            "REDIS_URL": self.valkey.address,
            "OLLAMA_HOST": self.model.url,
            "OLLAMA_MODEL": f"{NAME}:latest",
            "WORKERS": str(self._count),
            "TRUSTED_PROXY_HOPS": "1",
            "LOG_LEVEL": "INFO",
            # A crowd of a few users, each of whom asks as no person could.
            "RATE_LIMIT_USER_PER_MINUTE": "1000000",
            "RATE_LIMIT_RUNS_PER_MINUTE": "1000000",
        }

    def new_worker(self, changes: Mapping[str, float] | None = None) -> Worker:
        """One more, not started and unknown to the dispatcher."""
        return Worker(self.directory / f"worker-{next(self._numbers)}", self.settings(), changes)

    async def mend(self) -> None:
        """Bring back whatever was killed, frozen or sent away."""
        for server in (self.mongod, self.valkey):
            if server.is_running():
                thaw(server)
            await asyncio.to_thread(server.start)
        await asyncio.gather(*(worker.begin() for worker in self.workers))
        self.dispatcher.ports = [worker.port for worker in self.workers]

    @asynccontextmanager
    async def person(self) -> Any:
        """A new user, who speaks to the dispatcher."""
        async with Person(self.url, f"person-{next(self._people)}") as person:
            yield person

    def reader(self, person: Person, run: Mapping[str, Any]) -> Reader:
        """Someone who reads the run where this person's requests go."""
        return Reader(person.server, person.tokens["access_token"], run["id"])

    async def answer_of(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The run's answer as MongoDB has it."""
        found: dict[str, Any] | None = await self.database["messages"].find_one({"_id": ObjectId(run["message_id"])})
        assert found is not None
        return found

    async def record_of(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The run as MongoDB has it."""
        found: dict[str, Any] | None = await self.database["runs"].find_one({"_id": ObjectId(run["id"])})
        assert found is not None
        return found

    def tale(self, **manners: Any) -> Tale:
        """A tale that nobody has asked for yet."""
        return Tale(self.dice.randrange(2**40), **manners)

    def _migrate(self) -> None:
        environment = project_environment(
            {**NOTHING_SET, **self.settings(), "DJANGO_SETTINGS_MODULE": "eloquent.settings"}
        )
        command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        done = subprocess.run(command, env=environment, cwd=self.directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def freeze(server: EmbeddedServer) -> None:
    """It stands still, with all its connections open."""
    os.kill(server.pid, signal.SIGSTOP)


def thaw(server: EmbeddedServer) -> None:
    """It goes on where it stood."""
    os.kill(server.pid, signal.SIGCONT)


async def until(true: Callable[[], Awaitable[bool]], *, within_s: float = 20.0, every_s: float = 0.05) -> None:
    """Wait for what can only be looked at, not heard of.

    Raises:
        TimeoutError: it did not come true in time.
    """
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110 - it is in another process, which tells nobody
            await asyncio.sleep(every_s)
