"""One run's log in memory. Readers hold a position and no queue: a slow one costs nothing and slows nobody."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from chat.chunks import Chunk
from chat.journal.base import LARGEST_LOG_BYTES, MOST_CHUNKS, BehindLog, Entries, LogCut
from eloquent.foundation.timeout_chain import HEARTBEAT_S

# A reader far behind gets the log in pieces, so that no write to a socket holds all of it at once.
_MOST_AT_ONCE: Final = 1000


class Log:
    """Chunks from position `head` on. `cut` says that it broke off: no end will come.

    `shown` is how far readers may read, when that is not to the end.
    """

    __slots__ = ("chunks", "cut", "ended", "head", "readers", "shown", "size")

    def __init__(self, head: int = 0, *, shown: int | None = None) -> None:
        self.head = head
        self.shown = shown
        self.chunks: list[Chunk] = []
        self.ended = False
        self.cut = False
        self.size = 0
        self.readers: set[asyncio.Future[bool]] = set()

    @property
    def end(self) -> int:
        """The position behind the last chunk."""
        return self.head + len(self.chunks)

    @property
    def is_large(self) -> bool:
        """Whether it should be trimmed."""
        return self.size > LARGEST_LOG_BYTES or len(self.chunks) > MOST_CHUNKS

    def append(self, chunks: Sequence[Chunk]) -> None:
        """Add chunks and wake the readers."""
        self.chunks.extend(chunks)
        self.size += sum(map(len, chunks))
        if self.shown is None:
            self._wake()

    def show(self, end: int | None) -> None:
        """Readers may read up to this position from now on; None is all there is and will be."""
        if end != self.shown:
            self.shown = end
            self._wake()

    def trim(self, before: int) -> None:
        """Forget the chunks before the position."""
        gone = min(before, self.end) - self.head
        if gone > 0:
            self.size -= sum(map(len, self.chunks[:gone]))
            del self.chunks[:gone]
            self.head += gone

    def close(self, *, cut: bool = False) -> None:
        """No more comes. Safe to repeat."""
        if not self.ended:
            self.ended, self.cut = True, cut
            self._wake()

    def break_off(self) -> None:
        """What was said here is not so: no more is read of it, to whatever end it came."""
        self.ended = self.cut = True
        self.shown = self.head
        self._wake()

    async def entries(self, position: int) -> AsyncIterator[Entries]:
        """What is from the position on, as it comes.

        Raises:
            BehindLog: it was trimmed beyond this reader.
            LogCut: it broke off.
        """
        loop = asyncio.get_running_loop()
        while True:
            if position < self.head:
                raise BehindLog
            # A position beyond the end can only be made up: such a reader waits for what is new.
            readable = self.end if self.shown is None else self.shown
            if position < readable:
                start = position - self.head
                batch = self.chunks[start : min(start + _MOST_AT_ONCE, readable - self.head)]
                yield Entries(position, batch)
                position += len(batch)
            elif self.cut:
                raise LogCut
            elif self.ended and position >= self.end:
                return
            else:
                changed = loop.create_future()
                self.readers.add(changed)
                alive = loop.call_later(HEARTBEAT_S, _wake_one, changed, True)
                try:
                    silent = await changed
                finally:
                    alive.cancel()
                    self.readers.discard(changed)
                # A reader ahead of this log (it read the rest elsewhere) is woken by what it has: that is no silence.
                if silent:
                    yield Entries(position, ())

    def _wake(self) -> None:
        for reader in self.readers:
            _wake_one(reader)
        self.readers.clear()


def _wake_one(reader: "asyncio.Future[bool]", silent: bool = False) -> None:
    if not reader.done():
        reader.set_result(silent)
