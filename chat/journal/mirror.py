"""Copies this process's logs to Redis. The logs are the queue: what Redis has not got yet is still in them.

All that is new since the last time goes in one round trip, so many busy runs cost as many writes as one. When Redis was
away, or has lost its data, each run's stream is asked how far it goes and filled up from there.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from chat.journal import wire
from chat.journal.base import KEPT_S
from chat.journal.log import Log
from eloquent.foundation import lifecycle
from eloquent.foundation.ids import RunId

log = structlog.get_logger(__name__)

# The first words of an idle process go out at once; then at most so often.
_BEAT_S: Final = 0.01
_ANSWER_S: Final = 2.0
_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 1.0
# A stream that nobody ends (its worker was lost, and so was its reaper) is gone after this.
_ABANDONED_AFTER_S: Final = 900
_KEPT_ALIVE_EVERY_S: Final = 60
_ALREADY_THERE: Final = "equal or smaller"


class _Copy:
    """How far the stream of one run goes. `position` None: not known, Redis must be asked."""

    __slots__ = ("expires_told_at", "head", "position")

    def __init__(self, position: int | None, head: int) -> None:
        self.position = position
        self.head = head
        self.expires_told_at = 0.0


class Mirror:
    """Made for one event loop.

    This process's readers are shown what Redis has: when we are killed, nobody has seen what is lost with us. Only
    while Redis is away are they shown everything.

    Args:
        redis: a connection of its own.
        log_of: gives this process's log of a run.
        release: is told of a run whose stream holds everything, the end too.
        disown: is told of a run that another process has ended.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        log_of: Callable[[RunId], Log | None],
        release: Callable[[RunId], None],
        disown: Callable[[RunId], None],
    ) -> None:
        self._redis = redis
        self._log_of = log_of
        self._release = release
        self._disown = disown
        self._copies: dict[RunId, _Copy] = {}
        self._changed: dict[RunId, None] = {}  # ordered, each once
        self._wanted = asyncio.Event()
        self.is_up = True
        """Whether the last copying succeeded."""

    def begin(self, run_id: RunId, position: int | None = 0, *, head: int = 0) -> None:
        """Copy this run's log, which begins at `head`; position None: its stream is there already and must be asked."""
        self._copies[run_id] = _Copy(position, head)

    def touch(self, run_id: RunId) -> None:
        """The run's log has changed."""
        if run_id in self._copies:
            self._changed[run_id] = None
            self._wanted.set()

    async def run(self) -> None:
        """Copy until cancelled."""
        wait_s = _RETRY_FIRST_S
        while True:
            await self._wanted.wait()
            copied = await self._copy_all()
            if (task := asyncio.current_task()) is not None and task.cancelling():
                # The driver takes a cancellation that comes while it connects for a failed connection.
                raise asyncio.CancelledError
            if copied:
                wait_s = _RETRY_FIRST_S
                await asyncio.sleep(_BEAT_S)
            else:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _RETRY_MOST_S)

    async def aclose(self) -> None:
        """Copy what is left, once, and close the connection. Not while `run` runs."""
        if self._changed:
            await self._copy_all()
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _copy_all(self) -> bool:
        self._wanted.clear()
        changed, self._changed = self._changed, {}
        copied = False
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._ask_where(
                    [run_id for run_id in changed if run_id in self._copies and self._copies[run_id].position is None]
                )
                await self._write([run_id for run_id in changed if run_id in self._copies])
            copied = True
        except Exception as error:  # noqa: BLE001 - whatever it is, copying must go on: no run is begun without it
            if self.is_up:
                log.warning("answers are not copied to Redis", error=type(error).__name__)
        finally:
            if not copied:
                # Redis may come back without its data: every stream is asked, and filled up where it must be.
                for run_id, copy in self._copies.items():
                    copy.position = None
                    if (source := self._log_of(run_id)) is not None:
                        source.show(None)
                self._changed = dict.fromkeys(self._copies)
                self._wanted.set()
        self.is_up = copied
        return copied

    async def _ask_where(self, run_ids: list[RunId]) -> None:
        if not run_ids:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.xrevrange(wire.key_of(run_id), count=1)
            for run_id, last in zip(run_ids, await pipe.execute(), strict=True):
                there = wire.piece_of(last[0]) if last else wire.Piece(0, [], is_end=False)
                source = self._log_of(run_id)
                self._copies[run_id].position = there.end
                if not there.is_end:
                    continue
                del self._copies[run_id]
                if there.ended_by != lifecycle.worker_id().encode():
                    # Another worker has taken the run for lost and ended it: what is said here now is nobody's.
                    log.warning("another worker has ended this run", run_id=str(run_id))
                    self._disown(run_id)
                elif source is not None:
                    source.show(None)
                    self._release(run_id)

    async def _write(self, run_ids: list[RunId]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            owners: list[RunId] = []
            ends: dict[RunId, tuple[int, bool]] = {}
            for run_id in run_ids:
                source = self._log_of(run_id)
                if source is None:
                    self._copies.pop(run_id, None)
                    continue
                ends[run_id] = (source.end, source.ended)
                owners += [run_id] * self._add_commands(pipe, run_id, source)
            if not owners:
                self._note(ends)
                return
            replies = await pipe.execute(raise_on_error=False)
        for run_id, reply in zip(owners, replies, strict=True):
            if isinstance(reply, ResponseError) and _ALREADY_THERE in str(reply):
                # Not where we thought it was: to be asked before the next try.
                self._copies[run_id].position = None
                ends.pop(run_id, None)
                self.touch(run_id)
            elif isinstance(reply, Exception):
                raise reply
        self._note(ends)

    def _add_commands(self, pipe: Pipeline, run_id: RunId, source: Log) -> int:
        """The commands that bring the stream to where the log is; how many there are."""
        copy, key = self._copies[run_id], wire.key_of(run_id)
        before = len(pipe)
        start = max(copy.position or 0, source.head)
        for entry_id, value in wire.packed(start, source.chunks[start - source.head :]):
            pipe.xadd(key, {wire.CHUNKS: value}, id=entry_id)
        if source.head > copy.head:
            pipe.xtrim(key, minid=wire.id_behind(source.head + 1), approximate=False)
            copy.head = source.head
        if source.ended:
            pipe.xadd(key, wire.end_of(source.end, lifecycle.worker_id()), id=wire.END_ID)
            pipe.expire(key, int(KEPT_S))
        elif time.monotonic() - copy.expires_told_at > _KEPT_ALIVE_EVERY_S and len(pipe) > before:
            pipe.expire(key, _ABANDONED_AFTER_S)
            copy.expires_told_at = time.monotonic()
        return len(pipe) - before

    def _note(self, ends: dict[RunId, tuple[int, bool]]) -> None:
        for run_id, (end, ended) in ends.items():
            source = self._log_of(run_id)
            if source is not None:
                source.show(None if ended else end)
            if ended:
                if self._copies.pop(run_id, None) is not None:
                    self._release(run_id)
            elif run_id in self._copies:
                self._copies[run_id].position = end
