"""The cases of erasures, exports and retention."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId

import accounts.store
import chat.store
import inference.store
from accounts.personal_data.states import ErasureStatus, ExportStatus
from accounts.store import DataExport, Erasure
from chat.types import RetentionRule, RetentionSweep
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of

NOW = datetime(2026, 5, 1, 12, 30, 15, 678000, tzinfo=UTC)
LATER = datetime(2126, 5, 1, tzinfo=UTC)
PEOPLE = [ObjectId() for _ in range(30)]

Call = Callable[[Any], Awaitable[Any]]

ERASURE = Erasure(
    id=ObjectId(),
    user_id=PEOPLE[0],
    token_hash="a" * 64,
    cancel_hash="b" * 64,
    sealed="c" * 64,
    by_staff=True,
    was_active=False,
    status=ErasureStatus.RUNNING,
    active=True,
    step="messages",
    counts={"messages": 3},
    problem="StorageAway",
    receipt="{}",
    attempts=2,
    worker="worker-1",
    lease_expires_at=NOW,
    asked_at=NOW,
    due_at=LATER,
    closed_at=NOW,
    started_at=NOW,
    finished_at=LATER,
)
EXPORT = DataExport(
    id=ObjectId(),
    user_id=PEOPLE[0],
    status=ExportStatus.RUNNING,
    active=True,
    slot=1,
    documents=10,
    documents_done=5,
    key="someone/1.zip",
    size_bytes=100,
    sha256="a" * 64,
    attempts=1,
    worker="worker-1",
    lease_expires_at=NOW,
    created_at=NOW,
    finished_at=NOW,
    expires_at=LATER,
)
RULE = RetentionRule(id=ObjectId(), group_id=ObjectId(), days=30)
SWEEP = RetentionSweep(
    worker="worker-1",
    lease_expires_at=NOW,
    next_at=NOW,
    position=[1_777_000_000_000, str(RULE.id)],
    going=[[str(RULE.id), str(RULE.id)]],
    deleted=3,
)
WAITING = msgspec.structs.replace(
    ERASURE, id=ObjectId(), user_id=PEOPLE[1], token_hash="e" * 64, cancel_hash="f" * 64, started_at=None
)


async def write(_world: Any) -> None:
    """Everything of these rooms, and as much of others."""
    others = [
        msgspec.structs.replace(ERASURE, id=ObjectId(), user_id=person, token_hash=str(person), cancel_hash=str(person))
        for person in PEOPLE[2:]
    ]
    resting = [msgspec.structs.replace(EXPORT, id=ObjectId(), active=False, slot=None) for _ in range(20)]
    busy = [msgspec.structs.replace(EXPORT, id=ObjectId(), user_id=person) for person in PEOPLE[2:]]
    await database().erasures.insert_many([document_of(each) for each in (ERASURE, WAITING, *others)])
    await database().data_exports.insert_many([document_of(each) for each in (EXPORT, *resting, *busy)])
    rules = [msgspec.structs.replace(RULE, id=ObjectId(), group_id=ObjectId(), days=days) for days in range(20)]
    await database().retention_rules.insert_many([document_of(each) for each in (RULE, *rules)])
    await database().retention_sweeps.insert_one(document_of(SWEEP))


def _written_to(collection: str) -> Callable[[Any], Awaitable[Any]]:
    """For what staff write, at the desk road."""
    return lambda value: database()[collection].insert_one(document_of(value))


async def _read_rule(rule: RetentionRule) -> RetentionRule | None:
    return next((read for read in await chat.store.retention_rules() if read.id == rule.id), None)


async def _read_sweep(sweep: RetentionSweep) -> RetentionSweep | None:
    return await chat.store.keep_sweep(sweep, worker=sweep.worker)


def _new_erasure(world: Any) -> Erasure:
    return msgspec.structs.replace(ERASURE, id=ObjectId(), user_id=world.owner.id, token_hash="g" * 64)


def _new_export(world: Any) -> DataExport:
    return msgspec.structs.replace(EXPORT, id=ObjectId(), user_id=world.owner.id)


# A stored type: one full value of it, and how the store writes and reads one.
KINDS: dict[type[msgspec.Struct], tuple[Callable[[Any], Any], Callable[[Any], Awaitable[Any]], Any]] = {
    Erasure: (
        lambda _: ERASURE,
        accounts.store.add_erasure,
        lambda erasure: accounts.store.erasure_by_token(erasure.token_hash),
    ),
    DataExport: (
        lambda _: EXPORT,
        accounts.store.add_export,
        lambda export: accounts.store.find_export(export.user_id, export.id),
    ),
    RetentionRule: (lambda _: RULE, _written_to("retention_rules"), _read_rule),
    RetentionSweep: (lambda _: SWEEP, _written_to("retention_sweeps"), _read_sweep),
}

OF_ACCOUNTS: dict[str, list[Call]] = {
    "add_erasure": [
        lambda world: accounts.store.add_erasure(_new_erasure(world)),
        lambda world: accounts.store.add_erasure(_new_erasure(world)),
    ],
    "erasure_by_token": [lambda _: accounts.store.erasure_by_token("a" * 64)],
    "is_to_be_erased": [
        lambda _: accounts.store.is_to_be_erased(PEOPLE[0]),
        lambda _: accounts.store.is_to_be_erased(ObjectId()),
    ],
    "claim_erasure": [lambda _: accounts.store.claim_erasure(worker="w", at=NOW, lease_expires_at=LATER)],
    "keep_erasure": [lambda _: accounts.store.keep_erasure(ERASURE, step="runs")],
    "count_erased": [lambda _: accounts.store.count_erased(ERASURE, "runs", 3)],
    "take_back_erasure": [lambda _: accounts.store.take_back_erasure("f" * 64, at=NOW)],
    "take_back_erasure_at_desk": [lambda _: accounts.store.take_back_erasure_at_desk(WAITING.id, at=NOW)],
    "add_export": [lambda world: accounts.store.add_export(_new_export(world))],
    "find_export": [lambda _: accounts.store.find_export(PEOPLE[0], EXPORT.id)],
    "exports_of": [
        lambda _: accounts.store.exports_of(PEOPLE[0], before=None, limit=3),
        lambda _: accounts.store.exports_of(PEOPLE[0], before=ObjectId(), limit=3),
    ],
    "claim_export": [lambda _: accounts.store.claim_export(worker="w", at=NOW, lease_expires_at=LATER)],
    "keep_export": [lambda _: accounts.store.keep_export(EXPORT)],
    "end_exports_of": [lambda _: accounts.store.end_exports_of(PEOPLE[0], at=NOW)],
    "expired_exports": [lambda _: accounts.store.expired_exports(NOW, limit=5)],
    "exports_to_erase": [lambda _: accounts.store.exports_to_erase(PEOPLE[0], limit=5)],
    "forget_exports": [lambda _: accounts.store.forget_exports([EXPORT])],
    "close_user": [lambda world: accounts.store.close_user(world.owner.id)],
    "reopen_user": [lambda world: accounts.store.reopen_user(world.owner.id)],
    "erasure_is_recorded": [lambda world: accounts.store.erasure_is_recorded(world.owner.id)],
}

OF_INFERENCE: dict[str, list[Call]] = {
    "usage_lines_of": [
        lambda world: inference.store.usage_lines_of(world.owner.id, after=None, limit=5),
        lambda world: inference.store.usage_lines_of(world.owner.id, after=world.line, limit=5),
    ],
    "anonymise_usage": [lambda world: inference.store.anonymise_usage(world.owner.id)],
}

OF_CHAT: dict[str, list[Call]] = {
    "conversation_ids_of": [lambda world: chat.store.conversation_ids_of(world.owner.id)],
    "attachment_ids_of": [lambda world: chat.store.attachment_ids_of(world.owner.id)],
    "delete_below": [lambda world: chat.store.delete_below(world.owner.id, world.conversation.id)],
    "retention_rules": [lambda _: chat.store.retention_rules()],
    "claim_sweep": [
        lambda _: chat.store.claim_sweep(SWEEP, at=NOW),
        lambda _: chat.store.claim_sweep(SWEEP, at=NOW - timedelta(days=1)),
    ],
    "keep_sweep": [lambda _: chat.store.keep_sweep(SWEEP, going=[])],
    "untouched_conversations": [
        lambda _: chat.store.untouched_conversations(LATER, after=None, limit=5),
        lambda world: chat.store.untouched_conversations(
            NOW, after=(NOW - timedelta(minutes=3), world.conversations[0].id), limit=5
        ),
    ],
    "delete_untouched": [lambda world: chat.store.delete_untouched(world.conversation)],
    "which_are_there": [lambda world: chat.store.which_are_there([world.conversation.id, ObjectId()])],
    "active_runs_of_user": [lambda world: chat.store.active_runs_of_user(world.owner.id, limit=5)],
    "runs_at_rest_of": [
        lambda world: chat.store.runs_at_rest_of(world.owner.id, after=None, limit=5),
        lambda world: chat.store.runs_at_rest_of(world.owner.id, after=world.run.id, limit=5),
    ],
    "cancel_imports_of": [lambda world: chat.store.cancel_imports_of(world.owner.id, at=NOW)],
}
