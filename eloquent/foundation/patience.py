"""How long others are waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_Answer = TypeVar("_Answer")


async def asked_twice(ask: Callable[[], Awaitable[_Answer]], *, limit_s: float) -> _Answer:
    """What `ask` brings within the limit, in seconds; when it takes too long, what it brings the second time.

    The time is over, too, when it was this process that stood still: then nothing is wrong with whom it asks.

    Raises:
        TimeoutError: it took too long twice.
        Exception: what `ask` raises. What a timeout of its own has caused counts as taking too long, once.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await ask()
    except Exception as error:
        if not isinstance(error, TimeoutError) and not isinstance(error.__cause__, TimeoutError):
            raise
    async with asyncio.timeout(limit_s):
        return await ask()
