"""A value that is read from the database once for everybody, and believed for a few seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

FRESH_S: Final = 2.0
STALE_S: Final = 4.0
"""Nobody is shown what is older: a decision of staff holds everywhere within 5 s."""
READING_LIMIT_S: Final = 0.8
"""A database that is away must not keep a question waiting: what was last read holds."""
FAILED_FRESH_S: Final = 0.2
"""Until a reading that failed is done again."""

_Value = TypeVar("_Value")


class Remembered(Generic[_Value]):
    """What `read` returned a moment ago; `unread` before it ever returned. Belongs to one event loop.

    `is_known` says that it has returned once: who must not go by `unread` asks.
    """

    def __init__(self, what: str, read: Callable[[], Awaitable[_Value]], unread: _Value) -> None:
        self.is_known = False
        self._what = what
        self._read = read
        self._value = unread
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0

    async def current(self) -> _Value:
        """At most `STALE_S` old, unless the database is away."""
        at = asyncio.get_running_loop().time()
        if self._tried_at is None or at - self._tried_at >= (FAILED_FRESH_S if self._failures else FRESH_S):
            if self._reading is None or self._reading.done():
                # A context of its own: it is read for everybody, not in the trace of who came first.
                self._reading = asyncio.create_task(self._read_anew(), context=Context())
            # After one that failed, the next is waited for as ever. After two the database is away.
            since = self._tried_at if self._failures > 1 else self._read_at
            if since is None or at - since >= STALE_S:
                # Shielded: it is read for everybody.
                await asyncio.shield(self._reading)
        return self._value

    async def aclose(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_anew(self) -> None:
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                value = await self._read()
        except Exception as error:  # noqa: BLE001  (whatever it is, what was read last can be gone by)
            if not self._failures:
                log.warning("%s cannot be read", self._what, error=type(error).__name__)
            self._failures += 1
            self._tried_at = asyncio.get_running_loop().time()
        else:
            self._failures = 0
            self.is_known = True
            self._value = value
            self._tried_at = self._read_at = asyncio.get_running_loop().time()
