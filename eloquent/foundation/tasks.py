"""Ending tasks: whoever starts one cancels it and awaits it."""

import asyncio
from typing import Any, Final

_HEARD_WITHIN_S: Final = 0.1


async def end_task(task: "asyncio.Task[Any]") -> None:
    """Cancel the task and return when it is done; what it raised is dropped.

    Cancelled again until it is heard: redis-py (8.1) looks for unread bytes under a timeout of nothing, and takes a
    cancellation that comes at that moment for its own.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_HEARD_WITHIN_S)
    if not task.cancelled():
        task.exception()
