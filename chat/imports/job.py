"""Imports files that have arrived: one at a time in a process, and whatever a lost worker has left.

Whoever takes an import up goes on behind the conversations that are counted; what was added and not counted yet is met
again as `known`. A claim has a lease, renewed while the import is at work, whatever a single conversation takes.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

import structlog
from msgspec.structs import replace

import accounts.store
from chat import notices, store
from chat.imports.importing import Outcome, Result, outcome_of
from chat.imports.splitting import Objects
from chat.types import Import, ImportStatus
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.database import is_passing
from eloquent.foundation.leases import LEASE_S, Lease, LeaseLost, Leaving
from eloquent.foundation.looking import Looker

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=7)
"""How long an import that has ended can be read."""
LONGEST_OBJECT: Final = 16 * 1024 * 1024
"""Bytes of one conversation's JSON. Less than the command takes: in memory it may be 25 times as large, by intent."""
MOST_PROBLEMS: Final = 50
MOST_ATTEMPTS: Final = 5
"""Workers that may be lost over one file: one that takes its process along must not take the next one, for ever."""
_TELL_EVERY_S: Final = 1.0

_NOTHING_FOUND: Final = "There are no conversations in this file."
_NOT_STORED: Final = "It cannot be stored."
_UNREADABLE: Final = "The file could not be read to its end."
_ACCOUNT_CLOSED: Final = "The account was closed."

_looker = Looker("imports", every_s=2.0)


class _AccountClosed(Exception):
    """Nothing may be written for this user any more."""


def look_now() -> None:
    """A file has arrived here: the looker need not wait for its next look."""
    _looker.look_now()


async def run() -> None:
    """Import what waits until cancelled; then the one at work waits for another worker."""
    await _looker.run(_import_all)


async def _import_all() -> None:
    # One that was at work when something failed is taken up again when its lease is over.
    while not lifecycle.is_draining() and (claimed := await _claim()) is not None:
        await _Job(claimed).do()


async def _claim() -> Import | None:
    at = now()
    return await store.claim_import(
        worker=lifecycle.worker_id(), at=at, lease_expires_at=at + timedelta(seconds=LEASE_S)
    )


class _Job:
    """One import at work."""

    def __init__(self, claimed: Import) -> None:
        self._import = claimed
        self._owner_is_here = True

    async def do(self) -> None:
        """Import the file and bring the import to rest; on cancellation or drain it waits for another worker.

        Raises:
            Exception: the database is away, or a fault of ours while the import was brought to rest.
        """
        try:
            async with Lease(self._renew, what="import", every_s=_TELL_EVERY_S) as lease:
                fault = await self._work(lease)
        except (Leaving, asyncio.CancelledError) as ending:
            await asyncio.shield(self._keep(status=ImportStatus.QUEUED, attempts=0, lease_expires_at=now()))
            if isinstance(ending, asyncio.CancelledError):
                raise
        except LeaseLost:
            log.info("an import was taken away", import_id=str(self._import.id))
        else:
            await self._rest(fault)

    async def _work(self, lease: Lease) -> str | None:
        """Import all that is left; a sentence for the user when that was not possible."""
        try:
            if self._import.attempts > MOST_ATTEMPTS:
                return _UNREADABLE
            await self._read(lease)
        except _AccountClosed:
            return _ACCOUNT_CLOSED
        except (LeaseLost, Leaving):
            raise
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("an import failed", import_id=str(self._import.id))
            return _UNREADABLE
        return None

    async def _read(self, lease: Lease) -> None:
        done = self._import.added + self._import.known + self._import.failed
        await self._look_for_owner()
        number = 0
        async with aclosing(self._objects()) as found:
            async for raw in found:
                number += 1
                if number <= done:
                    continue
                if not self._owner_is_here:
                    raise _AccountClosed
                lease.require()
                self._count(await self._outcome_of(number, raw))

    async def _outcome_of(self, number: int, raw: bytes | None) -> Outcome:
        try:
            return await outcome_of(number, raw, self._import.user_id, at=self._import.created_at)
        except Exception as error:
            if is_passing(error):
                raise
            # Its words may be the user's, so they are not for the log.
            log.error("a conversation cannot be imported", import_id=str(self._import.id), error=type(error).__name__)  # noqa: TRY400
            return Outcome(number, Result.REFUSED, _NOT_STORED)

    async def _objects(self) -> AsyncGenerator[bytes | None, None]:
        objects, offset = Objects(longest=LONGEST_OBJECT), 0
        while (chunk := await store.chunk_at(self._import.id, offset)) is not None:
            offset += len(chunk.content)
            # In a thread: a megabyte of quotes takes longer than an answer's next words may wait.
            for raw in await asyncio.to_thread(_objects_of, objects, chunk.content):
                yield raw
        if objects.is_cut or offset < self._import.size:
            yield None

    def _count(self, outcome: Outcome) -> None:
        so_far = self._import
        if outcome.result is Result.REFUSED:
            sentence = f"Conversation {outcome.number}: {outcome.sentence}"
            problems = [*so_far.problems, sentence][:MOST_PROBLEMS]
            self._import = replace(so_far, failed=so_far.failed + 1, problems=problems)
        elif outcome.result is Result.ADDED:
            self._import = replace(so_far, added=so_far.added + 1)
        else:
            self._import = replace(so_far, known=so_far.known + 1)

    async def _look_for_owner(self) -> None:
        owner = await accounts.store.user_by_id(self._import.user_id)
        self._owner_is_here = owner is not None and owner.is_active

    async def _renew(self) -> bool:
        await self._look_for_owner()
        return self._owner_is_here and await self._keep()

    async def _keep(self, **changes: Any) -> bool:
        """Save how far the import is, for as long as it is this worker's; False when it is not any more."""
        lease = {"lease_expires_at": now() + timedelta(seconds=LEASE_S)}
        return await store.keep_import(replace(self._import, **{**lease, **changes}))

    async def _rest(self, fault: str | None) -> None:
        done, at = self._import, now()
        is_complete = fault is None and bool(done.added + done.known)
        problems = done.problems if fault is None else [fault, *done.problems][:MOST_PROBLEMS]
        self._import = replace(
            done,
            status=ImportStatus.COMPLETE if is_complete else ImportStatus.FAILED,
            problems=problems if is_complete or problems else [_NOTHING_FOUND],
            active=False,
            slot=None,
            finished_at=at,
            expires_at=at + KEPT,
        )
        if await self._keep():
            await store.forget_chunks(done.id)
            notices.tell_imported(self._import)


def _objects_of(objects: Objects, piece: bytes) -> list[bytes | None]:
    return list(objects.feed(piece))
