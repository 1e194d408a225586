"""Reading a run's answer: from its log while there is one, and from the saved message where there is none.

A saved message that is still being written is replayed up to the position that it covers, and the log goes on from
there: a reader cannot tell where the one ends and the other begins.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from chat import store, work
from chat.chunks import Chunk
from chat.journal import Entries, LogCut, NotInJournal
from chat.replay import replay_of, replay_through
from chat.types import Message, MessageStatus, Run
from eloquent.foundation.clock import now

log = structlog.get_logger(__name__)

_POLL_FIRST_S: Final = 0.02
_POLL_MOST_S: Final = 1.0
# An answer is saved before its end is copied to other processes. That long ago it has been, or never will be.
_END_COPIED_WITHIN: Final = timedelta(seconds=5)


async def entries_of_run(run: Run, *, after: int) -> AsyncIterator[Entries]:
    """The run's chunks behind position `after`, as they come.

    Where the log does not reach back that far, the answer comes whole from position 0: its `start` chunk tells a client
    to begin the message anew. Raises LogCut and BehindLog in the middle: the reader should resume.
    """
    return await _from_log(run, after=after) or _from_saved(run, after=after)


async def _from_log(run: Run, *, after: int) -> AsyncIterator[Entries] | None:
    """What the log has; None when it does not reach back that far, or is not there."""
    try:
        return _watched(run, await work.journal().follow(run.id, after=after, rested=not run.active))
    except NotInJournal:
        return None


async def _watched(run: Run, entries: AsyncIterator[Entries]) -> AsyncIterator[Entries]:
    """The entries; when another process's run is silent, its record is asked whether it has ended without a word."""
    async for batch in entries:
        if not batch.chunks and work.at_work(run.id) is None and await _has_ended(run):
            raise LogCut
        yield batch


def _replay(message: Message, chunks: list[Chunk]) -> Entries:
    """The chunks as the last ones before the position that the saved message covers."""
    return Entries(message.position - len(chunks), chunks, is_replay=True)


async def _run_that_goes_on_with(message: Message, run: Run) -> Run | None:
    """The run that goes on with the answer after this one, and has all of it; None when none is at work."""
    if message.status is not MessageStatus.STREAMING or message.run_id in (None, run.id):
        return None
    return await store.find_run(run.user_id, message.run_id)


def _rested_just_now(run: Run) -> bool:
    return run.finished_at is not None and now() - run.finished_at < _END_COPIED_WITHIN


async def _has_ended(run: Run) -> bool:
    try:
        stored = await store.find_run(run.user_id, run.id)
    except PyMongoError:
        return False  # asked again at the next silence
    return stored is None or not (stored.active or _rested_just_now(stored))


async def _from_saved(run: Run, *, after: int) -> AsyncIterator[Entries]:
    """The saved answer whole.

    While the run is active its answer and its log are looked for again: it is only being begun, or Redis is away, or
    its worker was lost and the reaper ends it when the lease is over. So is the log of a run which came to rest a
    moment ago: its end is on the way to us. While MongoDB is away the reader waits.
    """
    wait_s = _POLL_FIRST_S
    current: Run | None = run
    while current is not None:
        try:
            message = await store.find_message(run.user_id, run.message_id)
        except PyMongoError as error:
            log.warning("a reader waits for the database", run_id=str(run.id), error=type(error).__name__)
        else:
            if message is None and not current.active:
                return
            # The log of a run that goes on with an answer never reaches back to what was there before.
            is_due = wait_s >= _POLL_MOST_S or not _rested_just_now(current) or after < run.begins_at - 1
            has_ended = not current.active and is_due
            entries = None
            if message is not None:
                entries = await _by_now(run, message, after=after, is_active=current.active, has_ended=has_ended)
            if entries is not None:
                async for batch in entries:
                    yield batch
                return
        yield Entries(0, ())
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _POLL_MOST_S)
        with suppress(PyMongoError):
            current = await store.find_run(run.user_id, run.id)


async def _by_now(
    run: Run, message: Message, *, after: int, is_active: bool, has_ended: bool
) -> AsyncIterator[Entries] | None:
    """What can be read of the saved answer and its log; None when the one ends before the other begins."""
    if following := await _run_that_goes_on_with(message, run):
        return await entries_of_run(following, after=-1)
    # It may only have been in the making: then its whole log is there by now, where positions are the reader's.
    if run.active or _rested_just_now(run):
        rest = await _from_log(run, after=after)
        if rest is not None:
            return rest
    if has_ended:
        return _behind(_replay(message, replay_of(message)), None)
    rest = await _from_log(run, after=message.position - 1) if is_active and message.position else None
    return None if rest is None else _behind(_replay(message, replay_through(message)), rest)


async def _behind(replay: Entries, rest: AsyncIterator[Entries] | None) -> AsyncIterator[Entries]:
    yield replay
    if rest is not None:
        async for batch in rest:
            yield batch
