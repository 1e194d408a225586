"""Something that is to be done to each of many items, a fixed time after it came."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

# Items that come this soon after one another are done together.
_TOGETHER_S: Final = 0.05


class Later(Generic[Item]):
    """Made for one event loop.

    All items share one timer. One of its own for each would keep the context of the task that set it, for as long as
    it waits; and a process whose memory is strewn with such small things grows long after it should have settled.

    Args:
        delay_s: the time to wait, in seconds.
        do: what is done to an item; must not raise.
    """

    def __init__(self, delay_s: float, do: Callable[[Item], None]) -> None:
        self._delay_s = delay_s
        self._do = do
        self._due: deque[tuple[float, Item]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Item) -> None:
        """Do it to this item, once the time has passed."""
        at = asyncio.get_running_loop().time() + self._delay_s
        self._due.append((at, item))
        if self._timer is None:
            self._set_timer(at)

    def _set_timer(self, at: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at, self._look, context=Context())

    def _look(self) -> None:
        latest = asyncio.get_running_loop().time() + _TOGETHER_S
        while self._due and self._due[0][0] <= latest:
            self._do(self._due.popleft()[1])
        self._timer = None
        if self._due:
            self._set_timer(self._due[0][0])
