"""The stored attachments: what is known of the files that people attach. The files lie elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pymongo import ReturnDocument

from chat.store.documents import ATTACHMENTS, attachment_from, document_of
from chat.types import Attachment
from eloquent.foundation.database import database
from eloquent.foundation.ids import AttachmentId, ConversationId, UserId

# Whatever a process's clock says, an attachment that expires then can be sent by nobody any more.
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def add_attachment(attachment: Attachment) -> None:
    """Write a new attachment."""
    await database()[ATTACHMENTS].insert_one(document_of(attachment))


class AttachedBytes(NamedTuple):
    """How much a user has attached in all, and how much of it no message has yet."""

    all: int
    unsent: int


async def attached_bytes(owner: UserId, up_to: AttachmentId, *, each_at_least: int) -> AttachedBytes:
    """The bytes of the owner's attachments up to this one. Small ones count for `each_at_least`."""
    counted = {"$max": ["$size_bytes", each_at_least]}
    pipeline: list[dict[str, Any]] = [
        {"$match": {"user_id": owner, "_id": {"$lte": up_to}}},
        {
            "$group": {
                "_id": None,
                "all": {"$sum": counted},
                "unsent": {"$sum": {"$cond": [{"$eq": ["$conversation_id", None]}, counted, 0]}},
            }
        },
    ]
    found = await (await database()[ATTACHMENTS].aggregate(pipeline)).to_list()
    return AttachedBytes(int(found[0]["all"]), int(found[0]["unsent"])) if found else AttachedBytes(0, 0)


async def find_attachment(owner: UserId, attachment_id: AttachmentId) -> Attachment | None:
    """The owner's attachment; None when there is none or it is another user's."""
    document = await database()[ATTACHMENTS].find_one({"_id": attachment_id, "user_id": owner})
    return None if document is None else attachment_from(document)


async def attachments_among(owner: UserId, ids: Sequence[AttachmentId]) -> dict[AttachmentId, Attachment]:
    """The owner's attachments among these ids, by id."""
    cursor = database()[ATTACHMENTS].find({"_id": {"$in": list(ids)}, "user_id": owner}, batch_size=len(ids) + 1)
    return {document["_id"]: attachment_from(document) for document in await cursor.to_list()}


async def give_attachments(
    owner: UserId, conversation_id: ConversationId, ids: Sequence[AttachmentId], *, at: datetime
) -> bool:
    """Make the owner's attachments the conversation's, for as long as it lives; False when one cannot be.

    Those that are the conversation's already stay it. One that expires at `at` or sooner, or is another conversation's,
    cannot be given.
    """
    of_owner = {"_id": {"$in": list(ids)}, "user_id": owner}
    free = {"conversation_id": None, "expires_at": {"$gt": at}}
    given = await database()[ATTACHMENTS].update_many(
        {**of_owner, "$or": [free, {"conversation_id": conversation_id}]},
        {"$set": {"conversation_id": conversation_id, "expires_at": None}},
    )
    return given.matched_count == len(set(ids))


async def expire_attachment(owner: UserId, attachment_id: AttachmentId) -> Attachment | None:
    """See that the owner's attachment will not be sent any more, and return it.

    None: there is none, or a message has it. What fails behind this is left to the sweep.
    """
    document = await database()[ATTACHMENTS].find_one_and_update(
        {"_id": attachment_id, "user_id": owner, "conversation_id": None},
        {"$set": {"expires_at": _LONG_AGO}},
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else attachment_from(document)


async def attachments_of(owner: UserId, conversation_id: ConversationId, *, limit: int) -> list[Attachment]:
    """At most `limit` of the owner's attachments that messages of the conversation have, in no order."""
    cursor = database()[ATTACHMENTS].find(
        {"user_id": owner, "conversation_id": conversation_id}, limit=limit, batch_size=limit + 1
    )
    return [attachment_from(document) for document in await cursor.to_list()]


async def attachment_ids_of(owner: UserId) -> list[AttachmentId]:
    """The ids of all the owner's attachments, sent or not, oldest first."""
    cursor = database()[ATTACHMENTS].find({"user_id": owner}, {"_id": True})
    return sorted(document["_id"] for document in await cursor.to_list())


async def expired_attachments(before: datetime, *, limit: int) -> list[Attachment]:
    """At most `limit` attachments that expired before then. For the sweep, which has no user to ask for."""
    cursor = database()[ATTACHMENTS].find({"expires_at": {"$lt": before}}, limit=limit, batch_size=limit + 1)
    return [attachment_from(document) for document in await cursor.to_list()]


async def forget_attachments(gone: Sequence[Attachment]) -> None:
    """Delete what is known of attachments whose files are gone."""
    await database()[ATTACHMENTS].delete_many({"_id": {"$in": [attachment.id for attachment in gone]}})
