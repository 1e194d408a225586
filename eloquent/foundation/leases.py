"""Holding on to a job that was claimed: its lease is renewed while it is at work, whatever a single step takes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import structlog

from eloquent.foundation import lifecycle
from eloquent.foundation.tasks import end_task

log = structlog.get_logger(__name__)

LEASE_S: Final = 30.0
RENEWED_EVERY_S: Final = 5.0


class LeaseLost(Exception):
    """The job is another worker's by now, or nobody's."""


class Leaving(Exception):
    """This process is about to end: the job is another's to finish."""


class Lease:
    """`async with Lease(renew, what="erasure") as lease:`, and `lease.require()` before each step.

    Args:
        renew: asks for LEASE_S more; False when the job is not this worker's any more.
        what: is held, for the log.
    """

    def __init__(self, renew: Callable[[], Awaitable[bool]], *, what: str, every_s: float | None = None) -> None:
        self._renew = renew
        self._what = what
        self._every_s = RENEWED_EVERY_S if every_s is None else every_s
        self._lost = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """The first renewal is one period away: whoever claimed the job has just been given its lease."""
        self._task = asyncio.create_task(self._keep(), name=f"{self._what} lease")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Renew no more. The lease is not given back: that is for whoever claimed it, or it runs out."""
        if self._task is not None:
            await end_task(self._task)

    def require(self) -> None:
        """Return when the job may go on here.

        Raises:
            LeaseLost, Leaving: as they say.
        """
        if self._lost:
            raise LeaseLost
        if lifecycle.is_draining():
            raise Leaving

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        held_from = loop.time()
        while not self._lost:
            await asyncio.sleep(self._every_s)
            asked_at = loop.time()
            try:
                self._lost = not await self._renew()
                held_from = asked_at
            except Exception as error:  # noqa: BLE001 - the next time may do; if none does, the lease is lost
                log.warning("a lease is not renewed", what=self._what, error=type(error).__name__)
                self._lost = loop.time() - held_from > LEASE_S
