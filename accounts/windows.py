"""Moving windows: at most so many attempts in the last so many seconds, counted for each key.

Two kinds with one face: in Redis through the `limits` package, shared by all processes; and in this process's memory.
`limits` has a memory kind too, which takes a lock and a thread hop for each key it knows whenever it cleans up, and
keeps every key that a guesser makes up.
"""

import math
import time
from collections import OrderedDict, deque
from typing import Final, Protocol

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

MAX_KEYS: Final = 50_000


class Windows(Protocol):
    """Counts attempts. A refused attempt is not counted, so trying on does not push the end away."""

    async def take(self, key: str, *, amount: int, seconds: int) -> float:
        """Count one attempt: 0 when it is within `amount` in `seconds`, else the seconds until one is free again."""

    async def forget(self, key: str, *, amount: int, seconds: int) -> None:
        """Start the key's window anew."""


class ProcessWindows:
    """Windows in this process's memory, of the 50,000 keys used last. Nothing here waits."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    async def take(self, key: str, *, amount: int, seconds: int) -> float:
        """See Windows."""
        now = time.monotonic()
        times = self._taken.pop(key, None) or deque()
        while times and times[0] <= now - seconds:
            times.popleft()
        self._taken[key] = times  # last in order again
        while len(self._taken) > MAX_KEYS:
            self._taken.popitem(last=False)
        if len(times) >= amount:
            return times[0] + seconds - now
        times.append(now)
        return 0.0

    async def forget(self, key: str, *, amount: int, seconds: int) -> None:
        """See Windows."""
        del amount, seconds
        self._taken.pop(key, None)

    def forget_all(self) -> None:
        """Every window of this process is empty again, whoever filled it."""
        self._taken.clear()


class SharedWindows:
    """Windows in Redis, the same for all processes. Raises redis.RedisError or OSError when Redis is away."""

    def __init__(self, client: Redis) -> None:
        # The address is only parsed, never dialled: `limits` is given our client's connections.
        storage = RedisStorage(
            "async+redis://localhost:6379",
            implementation="redispy",
            connection_pool=client.connection_pool,  # type: ignore[arg-type]  # handed on as it is
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def take(self, key: str, *, amount: int, seconds: int) -> float:
        """See Windows."""
        limit = RateLimitItemPerSecond(amount, seconds, namespace="throttle")
        if await self._limiter.hit(limit, key):
            return 0.0
        stats = await self._limiter.get_window_stats(limit, key)
        # A window that emptied between the two questions still asks for a moment: this attempt was refused.
        return max(stats.reset_time - time.time(), math.ulp(1.0))

    async def forget(self, key: str, *, amount: int, seconds: int) -> None:
        """See Windows."""
        await self._limiter.clear(RateLimitItemPerSecond(amount, seconds, namespace="throttle"), key)
