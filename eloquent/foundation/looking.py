"""Looking for work that waits in the database, now and then, and at once when this process has put some there."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from eloquent.foundation.database import is_passing
from eloquent.foundation.errors import Unavailable

log = structlog.get_logger(__name__)


class Looker:
    """One task of a process that works off what waits.

        letters = Looker("letters", every_s=5.0)
        await letters.run(send_all)     # in a task of the server
        letters.look_now()              # where one is written

    Args:
        what: waits, for the log.
        every_s: how long until the next look, when nobody says that there is something.
    """

    def __init__(self, what: str, *, every_s: float) -> None:
        self.every_s = every_s
        self._what = what
        self._told: asyncio.Event | None = None

    def look_now(self) -> None:
        """Something waits that this process has put there: the next look need not wait."""
        if self._told is not None:
            self._told.set()

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: `work` does all that waits and returns. What fails is met again at the next look."""
        told = self._told = asyncio.Event()
        while True:
            told.clear()
            try:
                await work()
            except Exception as error:
                if is_passing(error) or isinstance(error, Unavailable):
                    log.warning("what waits has to wait on", what=self._what, error=type(error).__name__)
                else:
                    log.exception("what waits cannot be done", what=self._what)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.every_s):
                    await told.wait()
