"""Rules of retention, the sweep's own record, and the conversations that it looks at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat.store.documents import CONVERSATIONS, conversation_from
from chat.types import Conversation, RetentionRule, RetentionSweep
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of
from eloquent.foundation.ids import ConversationId

RULES: Final = "retention_rules"
SWEEPS: Final = "retention_sweeps"
MOST_RULES: Final = 1_000


async def retention_rules() -> list[RetentionRule]:
    """All of them, the longest first."""
    found = database()[RULES].find({}, sort=[("days", DESCENDING), ("_id", DESCENDING)], limit=MOST_RULES)
    return [known_value_of(RetentionRule, document) for document in await found.to_list()]


async def claim_sweep(fresh: RetentionSweep, *, at: datetime) -> RetentionSweep | None:
    """Take the sweep for `fresh.worker`: it is due, and nobody is at it; None otherwise.

    The first of all is written as `fresh` says.
    """
    taken = {"worker": fresh.worker, "lease_expires_at": fresh.lease_expires_at}
    first = {name: value for name, value in document_of(fresh).items() if name not in {"_id", *taken}}
    try:
        document = await database()[SWEEPS].find_one_and_update(
            {"_id": fresh.id, "next_at": {"$lte": at}, "lease_expires_at": {"$lte": at}},
            {"$set": taken, "$setOnInsert": first},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        return None  # it is there, and not to be taken
    return None if document is None else known_value_of(RetentionSweep, document)


async def keep_sweep(claimed: RetentionSweep, **changes: Any) -> RetentionSweep | None:
    """Save the changes and return the sweep as it is then; None when it is another worker's by now."""
    document = await database()[SWEEPS].find_one_and_update(
        {"_id": claimed.id, "worker": claimed.worker}, {"$set": changes}, return_document=ReturnDocument.AFTER
    )
    return None if document is None else known_value_of(RetentionSweep, document)


async def untouched_conversations(
    before: datetime, *, after: tuple[datetime, ConversationId] | None, limit: int
) -> list[Conversation]:
    """Everybody's conversations that nobody went on with since then, the oldest first, those behind `after`.

    For the sweep, which has no user to ask for.
    """
    criteria: dict[str, Any] = {"updated_at": {"$lt": before}}
    if after is not None:
        # The range bounds the index scan; the rest breaks ties between conversations of one millisecond.
        updated_at, last_id = after
        criteria["updated_at"]["$gte"] = updated_at
        criteria["$or"] = [{"updated_at": {"$gt": updated_at}}, {"_id": {"$gt": last_id}}]
    order = [("updated_at", ASCENDING), ("_id", ASCENDING)]
    found = database()[CONVERSATIONS].find(criteria, sort=order, limit=limit, batch_size=limit + 1)
    return [conversation_from(document) for document in await found.to_list()]


async def delete_untouched(conversation: Conversation) -> bool:
    """Delete the conversation itself if it is as it was read: nobody went on with it since. False otherwise.

    What is below it is the caller's to delete, who has noted that before.
    """
    seen = {"_id": conversation.id, "user_id": conversation.user_id, "updated_at": conversation.updated_at}
    deleted = await database()[CONVERSATIONS].delete_one(seen)
    return deleted.deleted_count == 1


async def which_are_there(ids: Sequence[ConversationId]) -> set[ConversationId]:
    """Those of the conversations that were not deleted. For the sweep, as above."""
    found = database()[CONVERSATIONS].find({"_id": {"$in": list(ids)}}, {"_id": True}, batch_size=len(ids) + 1)
    return {document["_id"] for document in await found.to_list()}
