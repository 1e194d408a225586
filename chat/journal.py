"""A run's log of chunks: written once, by the run, and followed by any number of readers from any position.

This journal lives in the memory of one process. Its interface is the seam behind which a shared one fits: positions
are counted by the only writer, so `append` never waits, and readers only ever see whole chunks in order.

Bounds: a run's log is kept `KEPT_S` seconds after its end, and all finished logs together stay below
`KEPT_BYTES`, oldest out first. A reader who comes later is served from the saved message. Readers hold a position and
no queue, so a slow one costs nothing and slows nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple, Protocol

from chat.chunks import Chunk
from eloquent.foundation.ids import RunId

KEPT_S: Final = 300.0
KEPT_BYTES: Final = 64 * 1024 * 1024
ALIVE_EVERY_S: Final = 10.0


class Entries(NamedTuple):
    """Chunks in order; `first` is the position of the first. No chunks at all means: still alive, nothing new."""

    first: int
    chunks: Sequence[Chunk]


class NotInJournal(Exception):
    """The journal has no log of this run: it ended a while ago, or was never here."""


class Journal(Protocol):
    """The log of every run at work and of those that ended lately."""

    def open(self, run_id: RunId) -> None:
        """Begin a run's log at position 0."""

    def append(self, run_id: RunId, chunks: Sequence[Chunk]) -> int:
        """Add chunks and wake the readers. Returns the position behind the last one."""

    def close(self, run_id: RunId) -> None:
        """End the log: readers finish once they have read all of it. Safe to repeat."""

    def follow(self, run_id: RunId, *, after: int = -1) -> AsyncIterator[Entries]:
        """The entries behind position `after`, as they come, until the log ends.

        An empty batch comes when nothing happened for `ALIVE_EVERY_S` seconds.

        Raises:
            NotInJournal: at the call, not at the first entry, so that a caller can still answer otherwise.
        """


class _Log:
    __slots__ = ("chunks", "ended", "readers", "size")

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.ended = False
        self.size = 0
        self.readers: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        for reader in self.readers:
            if not reader.done():
                reader.set_result(None)
        self.readers.clear()


class MemoryJournal:
    """The journal of a single process."""

    def __init__(self) -> None:
        self._logs: dict[RunId, _Log] = {}
        self._ended: dict[RunId, _Log] = {}  # in the order of their ends
        self._ended_size = 0

    def open(self, run_id: RunId) -> None:
        """See `Journal`."""
        self._logs[run_id] = _Log()

    def append(self, run_id: RunId, chunks: Sequence[Chunk]) -> int:
        """See `Journal`."""
        log = self._logs[run_id]
        log.chunks.extend(chunks)
        log.size += sum(map(len, chunks))
        log.wake()
        return len(log.chunks)

    def close(self, run_id: RunId) -> None:
        """See `Journal`."""
        log = self._logs.get(run_id)
        if log is None or log.ended:
            return
        log.ended = True
        log.wake()
        self._ended[run_id] = log
        self._ended_size += log.size
        asyncio.get_running_loop().call_later(KEPT_S, self._drop, run_id)
        while self._ended_size > KEPT_BYTES:
            self._drop(next(iter(self._ended)))

    def follow(self, run_id: RunId, *, after: int = -1) -> AsyncIterator[Entries]:
        """See `Journal`."""
        log = self._logs.get(run_id)
        if log is None:
            raise NotInJournal
        return _entries(log, after + 1)

    def _drop(self, run_id: RunId) -> None:
        log = self._ended.pop(run_id, None)
        if log is not None:
            self._ended_size -= log.size
            del self._logs[run_id]


async def _entries(log: _Log, position: int) -> AsyncIterator[Entries]:
    loop = asyncio.get_running_loop()
    while True:
        # A position beyond the end can only be made up: such a reader waits for what is new.
        if position < len(log.chunks):
            batch = log.chunks[position:]
            yield Entries(position, batch)
            position += len(batch)
        elif log.ended:
            return
        else:
            changed = loop.create_future()
            log.readers.add(changed)
            alive = loop.call_later(ALIVE_EVERY_S, _wake, changed)
            try:
                await changed
            finally:
                alive.cancel()
                log.readers.discard(changed)
            if position >= len(log.chunks) and not log.ended:
                yield Entries(position, ())


def _wake(reader: "asyncio.Future[None]") -> None:
    if not reader.done():
        reader.set_result(None)
