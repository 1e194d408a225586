"""The beat at which answers are read from language models: all that wait for it are woken at once.

A token that is read alone costs a wake-up of the process, three of its tasks and a write to each reader. Twenty answers
of 50 tokens a second cost a third less when all are read together, 20 times a second
(docs/decisions/0017-answers-are-read-at-a-beat.md).
"""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

EVERY_S: Final = 0.05
"""People do not see a twentieth of a second, and frontends throttle what they draw to that."""


class Beat:
    """Strikes `EVERY_S` seconds after the first one began to wait; silent while nobody waits."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def next(self) -> None:
        """Return with everybody else at the next strike."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(EVERY_S, self._strike)
        struck = loop.create_future()
        self._waiting.append(struck)
        await struck

    def _strike(self) -> None:
        waiting, self._waiting = self._waiting, []
        for struck in waiting:
            if not struck.done():
                struck.set_result(None)


_beats: WeakKeyDictionary[asyncio.AbstractEventLoop, Beat] = WeakKeyDictionary()


def reading_beat() -> Beat:
    """The running loop's beat."""
    loop = asyncio.get_running_loop()
    beat = _beats.get(loop)
    if beat is None:
        beat = _beats[loop] = Beat()
    return beat
