"""The journal of many processes: each keeps the logs of its own runs and copies them to Redis for the others.

Readers in the run's own process read its log, with or without Redis. Readers elsewhere catch up from the stream and
then share one window on what is new.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chat.chunks import Chunk
from chat.journal import wire
from chat.journal.base import BehindLog, Entries, LogCut, NotInJournal
from chat.journal.memory import MemoryJournal
from chat.journal.mirror import Mirror
from chat.journal.windows import Windows
from eloquent.foundation.ids import RunId
from eloquent.foundation.redis import lone_client
from eloquent.foundation.streams import StreamReader
from eloquent.foundation.tasks import end_task

log = structlog.get_logger(__name__)

_ANSWER_S: Final = 2.0
_PAGE: Final = 200


class SharedJournal:
    """See `Journal`. `start` it in the event loop that it belongs to.

    Args:
        redis: the process's client, for questions that may be asked twice.
        reader: for what other processes write; run by whoever made it.
        url: of the same Redis, for a connection of the journal's own.
    """

    def __init__(self, redis: Redis, reader: StreamReader, *, url: str) -> None:
        self._redis = redis
        self._reader = reader
        self._local = MemoryJournal()
        self._mirror = Mirror(
            lone_client(url, answer_timeout_s=_ANSWER_S),
            log_of=self._local.log_of,
            release=self._local.release,
            disown=self._local.disown,
        )
        self._windows = Windows(reader)
        self._copying: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Copy to Redis from now on, in the running loop. Until then a run is held by this process alone."""
        self._copying = asyncio.create_task(self._mirror.run(), name="journal mirror")

    @property
    def takes_runs(self) -> bool:
        """See `Journal`: Redis answers, to reading and to writing."""
        return self._reader.is_up and self._mirror.is_up

    def open(self, run_id: RunId, *, head: int = 0) -> None:
        """See `Journal`."""
        self._local.open(run_id, head=head, shown=head if self._mirror.is_up else None)
        self._mirror.begin(run_id, head, head=head)

    def append(self, run_id: RunId, chunks: Sequence[Chunk]) -> int:
        """See `Journal`."""
        end = self._local.append(run_id, chunks)
        self._mirror.touch(run_id)
        return end

    def trim(self, run_id: RunId, before: int) -> None:
        """See `Journal`. The stream follows with the next chunks."""
        self._local.trim(run_id, before)

    def close(self, run_id: RunId) -> None:
        """See `Journal`."""
        self._local.close(run_id)
        self._mirror.touch(run_id)

    def disown(self, run_id: RunId) -> None:
        """See `Journal`. What was copied stays for whoever adopts the run."""
        self._local.disown(run_id)
        self._mirror.touch(run_id)

    async def adopt(self, run_id: RunId, *, position: int) -> Sequence[Chunk]:
        """See `Journal`."""
        held: list[Chunk] = []
        try:
            while page := await self._page(run_id, position + len(held)):
                held += page
        except (RedisError, OSError) as error:
            raise NotInJournal from error
        except LogCut:
            held = []  # what is there does not join what was saved
        self._local.open(run_id, head=position, shown=position if self._mirror.is_up else None)
        self._local.append(run_id, held)
        self._mirror.begin(run_id, None, head=position)
        return held

    async def follow(self, run_id: RunId, *, after: int = -1, rested: bool = False) -> AsyncIterator[Entries]:
        """See `Journal`."""
        if self._local.log_of(run_id) is not None:
            return await self._local.follow(run_id, after=after)
        key = wire.key_of(run_id)
        try:
            async with asyncio.timeout(_ANSWER_S), self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(key, count=1)
                pipe.xrevrange(key, count=1)
                pipe.xrange(key, b"(" + wire.id_behind(after + 1), count=_PAGE)
                oldest, newest, entries = await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("a run's log cannot be read", run_id=str(run_id), error=type(error).__name__)
            raise NotInJournal from error
        if not newest or after + 1 < wire.piece_of(oldest[0]).first:
            raise NotInJournal
        if rested and not wire.piece_of(newest[0]).is_end:
            raise NotInJournal  # its worker was lost, or Redis was away, before the end was copied
        # What a reader comes back for is asked for along with the rest: most often that is all that it has missed.
        try:
            first = _chunks_of(entries, after + 1)
        except LogCut as error:
            raise NotInJournal from error
        return self._entries(run_id, wire.piece_of(newest[0]), after + 1, first)

    async def aclose(self) -> None:
        """See `Journal`."""
        if self._copying is not None:
            await end_task(self._copying)
            self._copying = None
        await self._mirror.aclose()

    async def _entries(
        self, run_id: RunId, newest: wire.Piece, position: int, first: Sequence[Chunk]
    ) -> AsyncIterator[Entries]:
        with self._windows.joined(run_id, newest) as window:
            if first:
                yield Entries(position, first)
                position += len(first)
            while True:
                while position < window.head:
                    chunks = await self._page_in_time(run_id, position)
                    yield Entries(position, chunks)
                    position += len(chunks)
                try:
                    async for entries in window.entries(position):
                        yield entries
                        position = entries.first + len(entries.chunks)
                except BehindLog:
                    continue  # the window has moved on while this reader was busy: the stream still has it
                return

    async def _page_in_time(self, run_id: RunId, position: int) -> list[Chunk]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                page = await self._page(run_id, position)
        except (RedisError, OSError) as error:
            raise LogCut from error
        if not page:
            raise LogCut
        return page

    async def _page(self, run_id: RunId, position: int) -> list[Chunk]:
        """Chunks from the position on, some hundred entries of them; none at the end.

        Raises:
            LogCut: they were trimmed, or lost.
        """
        key, behind = wire.key_of(run_id), b"(" + wire.id_behind(position)
        return _chunks_of(await self._redis.xrange(key, behind, count=_PAGE), position)


def _chunks_of(entries: Any, position: int) -> list[Chunk]:
    """The chunks from the position on in what XRANGE answered. Raises LogCut where it begins further on."""
    chunks: list[Chunk] = []
    for piece in map(wire.piece_of, entries):
        if piece.first > position + len(chunks):
            raise LogCut
        chunks += piece.chunks[position + len(chunks) - piece.first :]
    return chunks
