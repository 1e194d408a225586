"""What a request sets going and does not wait for.

Its answer comes at the same time whether there was much to do or nothing, so its time tells nobody who has an account.
The work is bounded, and ends with the server. What is lost with a process that dies is a letter that is asked for
again.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from eloquent.foundation.errors import EloquentError, Unavailable

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 200
_ENDS_WITHIN_S: Final = 5.0

_at_work: set[asyncio.Task[None]] = set()


def beside(work: Coroutine[Any, Any, None]) -> None:
    """Do the work beside the request that asks.

    Raises:
        Unavailable: so much is being done already that the database must be slow.
    """
    if len(_at_work) >= MOST_AT_ONCE:
        work.close()
        raise Unavailable(retry_after_s=5)
    task = asyncio.create_task(_logged(work), name="beside a request")
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)


async def settle_beside() -> None:
    """Return when all of it is done, or has taken five seconds."""
    if _at_work:
        await asyncio.wait(list(_at_work), timeout=_ENDS_WITHIN_S)


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except EloquentError as error:
        log.warning("not done beside a request", code=error.code)
    except Exception:
        log.exception("not done beside a request")
