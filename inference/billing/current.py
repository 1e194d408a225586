"""The budgets as they were a moment ago: read for everybody, so that an answer without a budget costs no command."""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from eloquent.foundation.errors import Unavailable
from eloquent.foundation.remembered import Remembered
from inference import store
from inference.billing.types import Budget

# Connections belong to a loop.
_remembered: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Remembered[list[Budget]]]] = WeakKeyDictionary()


async def current_budgets() -> list[Budget]:
    """All that are enabled. A change is here within 5 s; while the database is away the last ones hold.

    Raises:
        Unavailable: they were never read.
    """
    loop = asyncio.get_running_loop()
    remembered = _remembered.get(loop)
    if remembered is None:
        remembered = _remembered[loop] = Remembered("the list of budgets", store.budgets, [])
    budgets = await remembered.current()
    if not remembered.is_known:
        raise Unavailable(retry_after_s=2)  # nobody spends before it is known whether they may
    return budgets


async def forget_budgets() -> None:
    """Let go of what this event loop remembers."""
    remembered = _remembered.pop(asyncio.get_running_loop(), None)
    if remembered is not None:
        await remembered.aclose()
