"""Exports of accounts, as documents."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from accounts.personal_data.states import ExportStatus
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of
from eloquent.foundation.ids import UserId


class DataExport(msgspec.Struct, frozen=True, kw_only=True):
    """An export; see `accounts.models.DataExport` for its fields. `key` is empty until there is a file."""

    id: ObjectId
    user_id: UserId
    status: ExportStatus
    active: bool = True
    slot: int | None = None
    documents: int = 0
    documents_done: int = 0
    key: str = ""
    size_bytes: int = 0
    sha256: str = ""
    attempts: int = 0
    worker: str = ""
    lease_expires_at: datetime
    created_at: datetime
    finished_at: datetime | None = None
    expires_at: datetime


async def add_export(new: DataExport) -> bool:
    """Write a new export; False when its owner has one that is not at rest."""
    try:
        await database().data_exports.insert_one(document_of(new))
    except DuplicateKeyError:
        return False
    return True


async def find_export(owner: UserId, export_id: ObjectId) -> DataExport | None:
    """The owner's export; None when there is none or it is another user's."""
    document = await database().data_exports.find_one({"_id": export_id, "user_id": owner})
    return None if document is None else _export_from(document)


async def exports_of(owner: UserId, *, before: ObjectId | None, limit: int) -> list[DataExport]:
    """The owner's exports, newest first, from the one `before` on."""
    wanted: Document = {"user_id": owner} if before is None else {"user_id": owner, "_id": {"$lt": before}}
    found = database().data_exports.find(wanted, limit=limit).sort("_id", DESCENDING)
    return [_export_from(document) for document in await found.to_list()]


async def claim_export(*, worker: str, at: datetime, lease_expires_at: datetime) -> DataExport | None:
    """Take the export that has waited longest, or whose worker was lost; None when there is none."""
    document = await database().data_exports.find_one_and_update(
        {"active": True, "lease_expires_at": {"$lte": at}},
        {
            "$set": {"status": ExportStatus.RUNNING, "worker": worker, "lease_expires_at": lease_expires_at},
            "$inc": {"attempts": 1},
        },
        sort=[("lease_expires_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else _export_from(document)


async def keep_export(claimed: DataExport) -> bool:
    """Save how far the worker is, or how it ended; False when the export is not this worker's any more."""
    names = (
        "status",
        "active",
        "slot",
        "documents",
        "documents_done",
        "key",
        "size_bytes",
        "sha256",
        "attempts",
        "lease_expires_at",
        "finished_at",
        "expires_at",
    )
    kept = await database().data_exports.update_one(
        {"_id": claimed.id, "active": True, "worker": claimed.worker},
        {"$set": {name: getattr(claimed, name) for name in names}},
    )
    return kept.matched_count == 1


async def end_exports_of(owner: UserId, *, at: datetime) -> None:
    """Bring the owner's unfinished exports to rest: who is at one finds out, and stops."""
    ended = {"status": ExportStatus.FAILED, "active": False, "slot": None, "finished_at": at}
    await database().data_exports.update_many({"user_id": owner, "active": True}, {"$set": ended})


async def expired_exports(at: datetime, *, limit: int) -> list[DataExport]:
    """At most `limit` exports that nobody may fetch any more. For the sweep, which has no user to ask for."""
    found = database().data_exports.find({"expires_at": {"$lt": at}}, limit=limit)
    return [_export_from(document) for document in await found.to_list()]


async def exports_to_erase(owner: UserId, *, limit: int) -> list[DataExport]:
    """At most `limit` of the owner's exports, in no order."""
    found = database().data_exports.find({"user_id": owner}, limit=limit)
    return [_export_from(document) for document in await found.to_list()]


async def forget_exports(gone: Sequence[DataExport]) -> int:
    """Delete what is known of exports whose files are gone; how many were there."""
    deleted = await database().data_exports.delete_many({"_id": {"$in": [each.id for each in gone]}})
    return deleted.deleted_count


def _export_from(document: Document) -> DataExport:
    return known_value_of(DataExport, {**document, "status": ExportStatus(document["status"])})
