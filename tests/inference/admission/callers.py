"""Calls that wait in a queue, and what they are told."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from redis.asyncio import Redis

from inference.admission.bell import Bell
from inference.admission.limits import Limit
from inference.admission.place import Place
from inference.admission.queue import Queue
from inference.admission.shared import RUNG, SharedLine
from inference.admission.turn import Turn
from inference.billing.types import Purpose
from inference.types import Status

SOON_S: Final = 10.0


class Caller:
    """One call: it enters at once, and waits in a task of its own."""

    def __init__(self, queue: Queue, user: str, purpose: Purpose = Purpose.ANSWER, *, within_s: float = 60) -> None:
        self.queue = queue
        self.user = user
        self.turn = Turn([queue], user, purpose)
        self.told: list[Status] = []
        self._changed = asyncio.Condition()
        self.waiting = asyncio.create_task(self._wait(within_s))
        self.waiting.add_done_callback(lambda task: task.cancelled() or task.exception())  # a test may not look

    @property
    def place(self) -> Place:
        """Its place in the queue."""
        return self.turn._places[0]

    async def _wait(self, within_s: float) -> None:
        async with aclosing(self.turn.until_admitted(model="it", within_s=within_s)) as statuses:
            async for status in statuses:
                async with self._changed:
                    self.told.append(status)
                    self._changed.notify_all()

    @property
    def is_admitted(self) -> bool:
        return self.waiting.done() and not self.waiting.cancelled() and self.waiting.exception() is None

    async def admitted(self) -> "Caller":
        async with asyncio.timeout(SOON_S):
            await self.waiting
        return self

    async def told_of(self, position: int) -> Status:
        """The last status, once it is of this position."""
        async with asyncio.timeout(SOON_S), self._changed:
            await self._changed.wait_for(lambda: self.told and self.told[-1].position == position)
            return self.told[-1]

    def leave(self, *, served: bool = False) -> None:
        self.turn.leave(served=served)

    async def stop(self) -> None:
        self.waiting.cancel()
        await asyncio.wait([self.waiting])


class Process:
    """What one process has of a shared queue: a client, a bell and the queue itself."""

    def __init__(self, url: str, name: str, limit: Limit, *, lease_s: float = 10.0, renewed_every_s: float = 3.0):
        self.redis = Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2)
        shared = SharedLine(self.redis, name, limit, lease_s=lease_s)
        self.line = shared
        self.queue = Queue(name, limit, shared=shared, renewed_every_s=renewed_every_s)
        self.bell = Bell(url, {name: self.queue})

    async def aclose(self) -> None:
        await self.queue.aclose()
        await self.bell.aclose()
        await self.redis.aclose()


async def held(redis: Redis, name: str) -> tuple[int, int]:
    """How many calls Redis has at work and waiting."""
    admitted, waiting, order = [
        await redis.zcard(f"eloquent:queue:{{{name}}}:{part}") for part in ("admitted", "waiting", "order")
    ]
    assert waiting == order
    return admitted, waiting


async def until_held(redis: Redis, name: str, *expected: int) -> None:
    """Return when Redis has so many calls at work and waiting; it is asked at each change that is told."""
    async with asyncio.timeout(SOON_S), redis.pubsub() as bell:
        await bell.subscribe(RUNG)
        while await held(redis, name) != expected:
            await bell.get_message(timeout=1)


async def until(condition: Callable[[], bool], callers: list[Caller]) -> None:
    """Return when the condition holds; it is asked whenever one of those who wait is done."""
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.wait([c.waiting for c in callers if not c.waiting.done()], return_when="FIRST_COMPLETED")
