"""Redis asked for what a request waits for: within half a second, and left alone for a while after it failed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from eloquent.foundation.redis import redis_client

log = structlog.get_logger(__name__)

ANSWER_S: Final = 0.5
LEAVE_ALONE_S: Final = 5.0

_Answer = TypeVar("_Answer")


class _Redis:
    """When Redis may be asked again after it failed, by the monotonic clock."""

    ask_again_at = 0.0


async def ask(question: Callable[[Redis], Awaitable[_Answer]]) -> _Answer | None:
    """What Redis answers; None without it, while it is away, and when it takes too long: then the process decides."""
    client = reachable()
    if client is None:
        return None
    try:
        async with asyncio.timeout(ANSWER_S):
            return await question(client)
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        # Without this pause every sign-in would wait for the timeout while Redis hangs.
        _Redis.ask_again_at = time.monotonic() + LEAVE_ALONE_S
        log.warning("Redis is away: attempts are counted in this process", error=repr(error))
        return None


def reachable() -> Redis | None:
    """The client, unless there is none or Redis is left alone."""
    client = redis_client()
    return None if client is None or time.monotonic() < _Redis.ask_again_at else client
