"""The stored imports: files on their way into an account, their bytes, and which worker is at them."""

from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat.store.documents import IMPORT_CHUNKS, IMPORTS, chunk_from, document_of, import_from
from chat.types import Import, ImportChunk, ImportStatus
from eloquent.foundation.database import database
from eloquent.foundation.ids import ImportId, UserId

MOST_UNFINISHED: Final = 2
_AT_REST: Final = {"active": False, "slot": None}


async def add_import(new: Import) -> Import | None:
    """Write a new import in a free place of its owner's; None when `MOST_UNFINISHED` are taken."""
    for slot in range(1, MOST_UNFINISHED + 1):
        placed = replace(new, slot=slot)
        try:
            await database()[IMPORTS].insert_one(document_of(placed))
        except DuplicateKeyError:
            continue
        return placed
    return None


async def find_import(owner: UserId, import_id: ImportId) -> Import | None:
    """The owner's import; None when there is none or it is another user's."""
    document = await database()[IMPORTS].find_one({"_id": import_id, "user_id": owner})
    return None if document is None else import_from(document)


async def list_imports(owner: UserId, *, before: ImportId | None, limit: int) -> list[Import]:
    """The owner's imports, newest first, from the one `before` on."""
    wanted: dict[str, Any] = {"user_id": owner}
    if before is not None:
        wanted["_id"] = {"$lt": before}
    cursor = database()[IMPORTS].find(wanted, limit=limit).sort("_id", DESCENDING)
    return [import_from(document) for document in await cursor.to_list()]


async def add_chunk(owner: UserId, chunk: ImportChunk, *, at: datetime) -> Import | None:
    """Keep bytes that begin where the received ones end, and return the import; None when they begin elsewhere by now.

    What is stored counts: of two chunks with one offset, sent at once or after a crash, the first stays, and
    `received` says where it ends. With the last byte the import waits for a worker from `at` on, and is kept for as
    long as its chunks.
    """
    kept = await database()[IMPORT_CHUNKS].find_one_and_update(
        {"upload_id": chunk.upload_id, "offset": chunk.offset},
        {"$setOnInsert": {"_id": chunk.id, "content": chunk.content, "expires_at": chunk.expires_at}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    received = chunk.offset + len((kept or {"content": chunk.content})["content"])
    complete = {"$eq": ["$size", received]}
    document = await database()[IMPORTS].find_one_and_update(
        {"_id": chunk.upload_id, "user_id": owner, "status": ImportStatus.UPLOADING, "received": chunk.offset},
        [
            {
                "$set": {
                    "received": received,
                    "status": {"$cond": [complete, ImportStatus.QUEUED, "$status"]},
                    "active": complete,
                    "lease_expires_at": at,
                    "expires_at": {"$cond": [complete, chunk.expires_at, "$expires_at"]},
                }
            }
        ],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else import_from(document)


async def chunk_at(import_id: ImportId, offset: int) -> ImportChunk | None:
    """The piece of the file that begins there. None: there is none. For whoever has claimed the import."""
    document = await database()[IMPORT_CHUNKS].find_one({"upload_id": import_id, "offset": offset})
    return None if document is None else chunk_from(document)


async def forget_chunks(import_id: ImportId) -> None:
    """Delete the file's bytes."""
    await database()[IMPORT_CHUNKS].delete_many({"upload_id": import_id})


async def claim_import(*, worker: str, at: datetime, lease_expires_at: datetime) -> Import | None:
    """Take the import that has waited longest, or whose worker was lost; None when there is none. For the looker."""
    document = await database()[IMPORTS].find_one_and_update(
        {"active": True, "lease_expires_at": {"$lte": at}},
        {
            "$set": {"status": ImportStatus.RUNNING, "worker": worker, "lease_expires_at": lease_expires_at},
            "$inc": {"attempts": 1},
        },
        sort=[("lease_expires_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else import_from(document)


async def keep_import(running: Import) -> bool:
    """Save how far the worker is, or how it ended; False when the import is not this worker's any more."""
    kept = await database()[IMPORTS].update_one(
        {"_id": running.id, "active": True, "worker": running.worker},
        {
            "$set": {
                "status": running.status,
                "active": running.active,
                "slot": running.slot,
                "added": running.added,
                "known": running.known,
                "failed": running.failed,
                "problems": running.problems,
                "attempts": running.attempts,
                "lease_expires_at": running.lease_expires_at,
                "finished_at": running.finished_at,
                "expires_at": running.expires_at,
            }
        },
    )
    return kept.matched_count == 1


async def cancel_import(owner: UserId, import_id: ImportId, *, at: datetime, expires_at: datetime) -> Import | None:
    """Bring the owner's unfinished import to rest and return it; None when it is at rest, or there is none."""
    document = await database()[IMPORTS].find_one_and_update(
        {"_id": import_id, "user_id": owner, "slot": {"$gt": 0}},
        {"$set": {"status": ImportStatus.CANCELLED, "finished_at": at, "expires_at": expires_at, **_AT_REST}},
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else import_from(document)


async def cancel_imports_of(owner: UserId, *, at: datetime) -> None:
    """Bring all unfinished imports of the owner to rest: who is at one finds out, and no other piece is taken."""
    await database()[IMPORTS].update_many(
        {"user_id": owner, "slot": {"$gt": 0}},
        {"$set": {"status": ImportStatus.CANCELLED, "finished_at": at, **_AT_REST}},
    )
