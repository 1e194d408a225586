"""Counts of all processes, brought together through Redis beside the requests.

A quarter of a second after something was counted, one command tells Redis what has been counted here since the last
time, for everybody who was, and brings back what all have counted together. No request waits for it. So each process
lets in at most what arrives at it within EVERY_S (and Redis's answer) beyond what is left, and never more than a
limit's amount by itself: with so many processes, at the very worst so many times the amount.

While Redis is away every process counts for itself. What is told at a moment when the answer gets lost is not told
again: rather would one be let in too many than one locked out for another's count.
"""

import asyncio
import hashlib
from collections import deque
from contextvars import Context
from typing import Any, Final

from redis.asyncio import Redis

from accounts.limits import reaching
from accounts.limits.counting import MOST, Who, Window

EVERY_S: Final = 0.25
MOST_TOGETHER: Final = 500
"""Windows in one command, so that it does not hold up Redis's other work: about a millisecond."""

# Keys: of each window, its own and that of the one before it. Arguments: of each, how many more, and how long kept.
_SCRIPT: Final = """
local told = {}
for i = 1, #KEYS, 2 do
  local more = tonumber(ARGV[i])
  local total = redis.call('INCRBY', KEYS[i], more)
  if total == more then redis.call('EXPIRE', KEYS[i], ARGV[i + 1]) end
  told[i] = total
  told[i + 1] = tonumber(redis.call('GET', KEYS[i + 1]) or 0)
end
return told
"""


class Sharing:
    """Tells and hears, as long as there is something to tell."""

    def __init__(self) -> None:
        # While Redis is away the oldest go: their windows are over, or forgotten by their counters as well.
        self._noted: deque[Window] = deque(maxlen=MOST)
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, window: Window) -> None:
        """This window has something to tell."""
        self._noted.append(window)
        loop = asyncio.get_running_loop()
        # A server has one loop. A test process has several, one after the other, and a timer ends with its loop.
        if self._timer is None or self._loop is not loop:
            self._set_timer(loop)

    async def exchange(self) -> None:
        """Tell and hear now. What cannot be told because Redis is away is kept until it is back."""
        while self._noted and reaching.reachable() is not None:
            many = min(len(self._noted), MOST_TOGETHER)
            await self._exchange([self._noted.popleft() for _ in range(many)])

    async def close(self) -> None:
        """Tell what is left to tell: another process begins where this one ends."""
        self._drop_timer()
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._task])
        await self.exchange()

    def forget_all(self) -> None:
        """There is nothing to tell."""
        self._drop_timer()
        self._noted.clear()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A context of its own: the request's would be kept with it.
        self._timer = loop.call_later(EVERY_S, self._begin, context=Context())

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._exchange_all(), name="limits", context=Context())
        else:
            self._set_timer(loop)

    async def _exchange_all(self) -> None:
        await self.exchange()
        if self._noted and self._timer is None:  # Redis is away
            self._set_timer(asyncio.get_running_loop())

    async def _exchange(self, windows: list[Window]) -> None:
        keys: list[str] = []
        arguments: list[int] = []
        for window in windows:
            keys += (_key(window, window.index), _key(window, window.index - 1))
            arguments += (window.own - window.told, 2 * window.counter.policy.seconds)
            window.told = window.own
            window.is_noted = False
        told = await reaching.ask(lambda client: _run(client, keys, arguments))
        if told is None:
            return
        for place, window in enumerate(windows):
            total, before = told[2 * place], told[2 * place + 1]
            # Never less than was known: Redis may have come back without its data.
            window.others = max(window.others, total - window.told)
            window.before = max(window.before, float(before))


async def _run(client: Redis, keys: list[str], arguments: list[int]) -> list[int]:
    answer: Any = await client.register_script(_SCRIPT)(keys=keys, args=arguments)
    told: list[int] = answer
    return told


def _key(window: Window, index: int) -> str:
    # In braces what a cluster goes by: keys of one command lie together.
    return f"{{eloquent:limits}}:{window.counter.policy.name}:{_name(window.who)}:{index}"


def _name(who: Who) -> str:
    # Addresses do not belong in Redis in clear.
    return who.hex() if isinstance(who, bytes) else hashlib.sha256(who.encode()).hexdigest()[:24]
