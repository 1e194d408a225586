"""Deletes conversations that nobody went on with for as long as they are kept. One sweep at a time over all processes.

Whoever sweeps first notes which conversations are about to go, then deletes each if it is still as it was read, then
what is below it, and takes the note back. So a conversation that somebody goes on with in that moment stays whole, and
one whose messages were left by a lost worker is finished by the next.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.audit.recording import record
from chat import notices, store, titling
from chat.attachments.errors import StorageAway
from chat.attachments.keeping import delete_attachments_of
from chat.retention.rules import Retention, is_over
from chat.types import Conversation, RetentionSweep
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import is_passing
from eloquent.foundation.ids import ConversationId, UserId
from eloquent.foundation.leases import LEASE_S, Lease, LeaseLost, Leaving
from eloquent.foundation.membership import groups_of
from eloquent.foundation.personal_rows import forget_names

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 60.0
SWEEP_EVERY: Final = timedelta(hours=1)
AT_ONCE: Final = 100
GONE_TOGETHER: Final = 10
_MOST_REMEMBERED: Final = 10_000
_Owned = tuple[UserId, ConversationId]


async def run() -> None:
    """Sweep every hour until cancelled, in whichever process comes first."""
    while True:
        try:
            await sweep_if_due()
        except StorageAway:
            log.warning("old conversations wait for the storage of their files")
        except Exception as error:
            if is_passing(error):
                log.warning("old conversations wait for the database", error=type(error).__name__)
            else:
                log.exception("old conversations cannot be deleted")
        await asyncio.sleep(LOOK_EVERY_S)


async def sweep_if_due() -> int | None:
    """Sweep if an hour has passed since the last time and nobody is at it; how many went, None when it was not due.

    Raises:
        StorageAway: some files cannot be deleted now; the next sweep goes on.
    """
    retention = await current_retention()
    if retention.shortest is None:
        return None
    at = now()
    fresh = RetentionSweep(worker=lifecycle.worker_id(), lease_expires_at=at + timedelta(seconds=LEASE_S), next_at=at)
    claimed = await store.claim_sweep(fresh, at=at)
    return None if claimed is None else await _Sweep(claimed, retention, at).do()


async def current_retention() -> Retention:
    """The setting and the rules as they are now."""
    rules = await store.retention_rules()
    return Retention(get_config().retention_days, {rule.group_id: rule.days for rule in rules})


async def conversations_over(
    retention: Retention, at: datetime, *, after: tuple[datetime, ConversationId] | None = None
) -> AsyncIterator[tuple[Conversation, bool]]:
    """Everybody's conversations that may be over, the oldest first, and whether each is."""
    if retention.shortest is None:
        return
    before = at - timedelta(days=retention.shortest)
    known: dict[UserId, int] = {}
    while page := await store.untouched_conversations(before, after=after, limit=AT_ONCE):
        for conversation in page:
            days = known.get(conversation.user_id)
            if days is None:
                if len(known) >= _MOST_REMEMBERED:
                    known.clear()
                days = known[conversation.user_id] = retention.days_for(await groups_of(conversation.user_id))
            yield conversation, is_over(conversation, days, at)
        after = (page[-1].updated_at, page[-1].id)


class _Sweep:
    """One sweep at work."""

    def __init__(self, claimed: RetentionSweep, retention: Retention, at: datetime) -> None:
        self._sweep = claimed
        self._retention = retention
        self._at = at

    async def do(self) -> int | None:
        """Delete all that is over; how many. None when it is another worker's to go on with."""
        try:
            async with Lease(self._renew, what="retention") as lease:
                await self._finish_what_was_left()
                await self._go_through(lease)
                deleted = self._sweep.deleted
                if deleted:
                    await record(Action.RETENTION_SWEPT, target="retention", conversations=deleted)
                await self._keep(next_at=now() + SWEEP_EVERY, lease_expires_at=now(), position=None, deleted=0)
        except LeaseLost:
            return None
        except Leaving:
            await self._give_back()
            return None
        except BaseException:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._give_back())
            raise
        return deleted

    async def _go_through(self, lease: Lease) -> None:
        together: list[Conversation] = []
        looked_at: Conversation | None = None
        over = conversations_over(self._retention, self._at, after=_position(self._sweep.position))
        async for conversation, is_over_now in over:
            lease.require()
            looked_at = conversation
            if is_over_now:
                together.append(conversation)
            if len(together) >= GONE_TOGETHER:
                await self._delete(together)
                together = []
        await self._delete(together)
        if looked_at is not None:
            log.info("old conversations were looked through", deleted=self._sweep.deleted)

    async def _delete(self, conversations: Sequence[Conversation]) -> None:
        """Delete these, each unless somebody went on with it or an answer is being written in it."""
        if not conversations:
            return
        await self._keep(going=[[str(each.user_id), str(each.id)] for each in conversations])
        deleted = 0
        for conversation in conversations:
            owned = (conversation.user_id, conversation.id)
            # Whoever waits for an answer has gone on with it, though it may not be seen yet.
            if await store.active_runs_of(*owned) or not await store.delete_untouched(conversation):
                continue
            titling.conversation_deleted(conversation.id)
            await _delete_below(owned)
            notices.tell(conversation.user_id, notices.ConversationDeleted(str(conversation.id)))
            deleted += 1
        last = conversations[-1]
        position = [int(last.updated_at.timestamp() * 1000), str(last.id)]
        await self._keep(going=[], position=position, deleted=self._sweep.deleted + deleted)

    async def _finish_what_was_left(self) -> None:
        """Delete what is below conversations that a lost worker has deleted."""
        if not self._sweep.going:
            return
        left = [(ObjectId(owner), ObjectId(conversation)) for owner, conversation in self._sweep.going]
        there = await store.which_are_there([conversation_id for _, conversation_id in left])
        gone = [owned for owned in left if owned[1] not in there]
        for owned in gone:
            await _delete_below(owned)
        await self._keep(going=[], deleted=self._sweep.deleted + len(gone))

    async def _renew(self) -> bool:
        until = now() + timedelta(seconds=LEASE_S)
        return await store.keep_sweep(self._sweep, lease_expires_at=until) is not None

    async def _keep(self, **changes: Any) -> None:
        kept = await store.keep_sweep(self._sweep, **changes)
        if kept is None:
            raise LeaseLost
        self._sweep = kept

    async def _give_back(self) -> None:
        await store.keep_sweep(self._sweep, lease_expires_at=now())


async def _delete_below(owned: _Owned) -> None:
    owner, conversation_id = owned
    await delete_attachments_of(owner, conversation_id)
    await store.delete_below(owner, conversation_id)
    await forget_names([conversation_id])


def _position(stored: list[Any] | None) -> tuple[datetime, ConversationId] | None:
    if stored is None:
        return None
    updated_ms, conversation_id = stored
    return datetime.fromtimestamp(updated_ms / 1000, UTC), ObjectId(conversation_id)
