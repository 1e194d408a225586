"""Audit entries, as documents. Nothing changes one, but for the private part when a person is erased."""

from collections.abc import Collection, Sequence

from pymongo.errors import BulkWriteError

from accounts.audit.actions import Action
from accounts.audit.entries import AuditEntry, AuditHead
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of, value_of
from eloquent.foundation.ids import UserId

_DUPLICATE_KEY = 11000


async def last_audit_entry() -> AuditEntry | None:
    """The entry at the end of the chain."""
    return value_of(AuditEntry, await database().audit.find_one({}, sort=[("number", -1)]))


async def add_audit_entries(entries: Sequence[AuditEntry]) -> int:
    """Write the entries in their order; how many of them were, before one whose number was taken meanwhile."""
    try:
        await database().audit.insert_many([document_of(entry) for entry in entries], ordered=True)
    except BulkWriteError as error:
        details = error.details
        refused = details["writeErrors"]
        if details["writeConcernErrors"] or not refused or refused[0]["code"] != _DUPLICATE_KEY:
            raise
        inserted: int = details["nInserted"]
        return inserted
    return len(entries)


async def audit_head() -> AuditHead | None:
    """Where the chain ends, as far as it was noted."""
    return value_of(AuditHead, await database().audit_head.find_one({"_id": "head"}))


async def move_audit_head(head: AuditHead) -> None:
    """Note where the chain ends now, unless it is known to go on further."""
    fields = document_of(head)
    found = {"_id": fields.pop("_id")}
    # A number is greater than none at all.
    goes_on = {"$cond": [{"$gt": [head.number, "$number"]}, {"$mergeObjects": ["$$ROOT", fields]}, "$$ROOT"]}
    await database().audit_head.update_one(found, [{"$replaceWith": goes_on}], upsert=True)


async def audit_entries_of(
    subject: UserId, *, before: int | None, limit: int, but: Collection[str] = ()
) -> list[AuditEntry]:
    """What happened to the user's account, newest first; `before` is the number of the entry to go on behind.

    `but` are actions that are left out.
    """
    query: Document = {"subject_id": subject} | ({} if before is None else {"number": {"$lt": before}})
    if but:
        query["action"] = {"$nin": list(but)}
    found = database().audit.find(query).sort([("number", -1), ("_id", -1)]).limit(limit)
    return [known_value_of(AuditEntry, document) async for document in found]


async def erasure_is_recorded(subject: UserId) -> bool:
    """Whether the record says that the user was erased: only then may private parts be missing."""
    found = await database().audit.find_one({"subject_id": subject, "action": Action.ERASED}, {"_id": True})
    return found is not None


async def erase_private_parts_of(user_id: UserId) -> int:
    """Take out of the record what can be traced to this person; how many entries that were."""
    erased = 0
    for role in ("subject_id", "actor_id"):
        changed = await database().audit.update_many({role: user_id, "private": {"$ne": ""}}, {"$set": {"private": ""}})
        erased += changed.modified_count
    return erased
