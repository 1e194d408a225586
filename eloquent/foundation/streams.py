"""Reading Redis Streams: one blocking connection for the process, however many streams are read.

Each stream that is watched takes a place in the next question to Redis, and what comes is handed to its taker in the
event loop. While Redis is away nothing comes; when it is back, reading goes on behind the last entry of each stream.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Final, TypeAlias

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from eloquent.foundation.redis import lone_client

log = structlog.get_logger(__name__)

Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]
"""An entry's id (`<milliseconds or number>-<number>`) and its fields."""
Taker: TypeAlias = Callable[[Sequence[Entry]], None]

BLOCK_S: Final = 2.0
# A server that was frozen, and is not gone, is noticed twice this long after the end of a question's time.
_LATE_S: Final = 1.0
_TIMEOUTS: Final = (TimeoutError, RedisTimeout)
# What is read between two beats is read in one question: many busy streams cost as much as one.
_BEAT_S: Final = 0.01
_RETRY_FIRST_S: Final = 0.05
_RETRY_MOST_S: Final = 1.0
_WAKE_KEPT_S: Final = 60


class StreamReader:
    """Watches streams for this process.

    Args:
        url: of the Redis server; the reader keeps a connection of its own, because its questions block it.
        client: the process's ordinary client, which wakes the reader when a stream is added.
        name: unique among the processes, part of a key.
    """

    def __init__(self, url: str, client: Redis, *, name: str) -> None:
        self._redis = lone_client(url, answer_timeout_s=BLOCK_S + _LATE_S)
        self._client = client
        self._wake_key = f"eloquent:wake:{name}".encode()
        self._takers: dict[bytes, Taker] = {}
        self._seen: dict[bytes, bytes] = {self._wake_key: b"0-0"}
        self._blocked = False
        self._waking: asyncio.Task[None] | None = None
        self.is_up = False
        """Whether the last question was answered."""

    def watch(self, key: bytes, *, after: bytes, take: Taker) -> None:
        """Hand what comes behind the entry `after` to `take`, which must not block or raise."""
        self._takers[key] = take
        self._seen[key] = after
        if self._blocked and (self._waking is None or self._waking.done()):
            self._waking = asyncio.create_task(self._wake(), context=Context())

    def unwatch(self, key: bytes) -> None:
        """Read the stream no more."""
        self._takers.pop(key, None)
        self._seen.pop(key, None)

    async def connect(self) -> None:
        """Ask Redis whether it is there, so that `is_up` says so before the first question; never raises."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.ping()
            self.is_up = True

    async def run(self) -> None:
        """Read until cancelled."""
        wait_s = _RETRY_FIRST_S
        try:
            while True:
                try:
                    await self._read_once()
                except Exception as error:  # noqa: BLE001 - whatever it is, all who are read for depend on going on
                    if not (self.is_up and isinstance(error, _TIMEOUTS) and await self._is_there()):
                        if self.is_up:
                            log.warning("Redis cannot be read", error=type(error).__name__)
                        self.is_up = False
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, _RETRY_MOST_S)
                else:
                    wait_s = _RETRY_FIRST_S
        finally:
            if self._waking is not None:
                self._waking.cancel()
                await asyncio.gather(self._waking, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await self._redis.aclose()

    async def _read_once(self) -> None:
        if not self.is_up:
            await self._redis.ping()
            self.is_up = True
        self._blocked = True
        try:
            answer: Any = await self._redis.xread(self._seen, block=int(BLOCK_S * 1000))  # type: ignore[arg-type]
        finally:
            self._blocked = False
        for key, entries in streams_of(answer):
            take = self._takers.get(key)
            if key in self._seen:
                self._seen[key] = entries[-1][0]
            if take is not None:
                take(entries)
        if answer:
            await asyncio.sleep(_BEAT_S)

    async def _is_there(self) -> bool:
        """Ask once more: a question's time is over, too, when it was this process that stood still."""
        with contextlib.suppress(RedisError, OSError):
            async with asyncio.timeout(_LATE_S):
                await self._redis.ping()
            return True
        return False

    async def _wake(self) -> None:
        with contextlib.suppress(RedisError, OSError):  # then it is not blocked for long either
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.xadd(self._wake_key, {b"w": b"1"}, maxlen=1, approximate=False)
                pipe.expire(self._wake_key, _WAKE_KEPT_S)
                await pipe.execute()


def streams_of(answer: Any) -> list[tuple[bytes, Sequence[Entry]]]:
    """What XREAD answered, as pairs of key and entries; both protocols of Redis (2 and 3) are understood."""
    if not answer:
        return []
    if isinstance(answer, dict):
        # RESP3: each key with a list of lists of entries.
        return [(key, [entry for block in blocks for entry in block]) for key, blocks in answer.items()]
    return [(key, entries) for key, entries in answer]
