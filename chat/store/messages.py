"""The stored messages."""

from bson import ObjectId
from pymongo import DESCENDING

from chat.store.documents import MESSAGES, message_from, soon
from chat.tree import path_up
from chat.types import Message, MessageStatus, Run
from eloquent.foundation.database import database
from eloquent.foundation.ids import ConversationId, MessageId, UserId


async def find_message(owner: UserId, message_id: MessageId) -> Message | None:
    """The owner's message; None when there is none or it is another user's."""
    document = await database()[MESSAGES].find_one({"_id": message_id, "user_id": owner})
    return None if document is None else message_from(document)


async def branch_ending_at(
    owner: UserId, conversation_id: ConversationId, leaf_id: MessageId, *, limit: int
) -> list[Message]:
    """The last `limit` messages of the branch that ends at the leaf, oldest first.

    A child's id sorts after its parent's (`id_after`), so walking the conversation's ids downwards meets every
    ancestor. In a conversation without siblings that is one read.
    """
    found: dict[ObjectId, Message] = {}
    at_most = leaf_id
    while True:
        cursor = database()[MESSAGES].find(
            {"conversation_id": conversation_id, "_id": {"$lte": at_most}, "user_id": owner},
            sort=[("_id", DESCENDING)],
            limit=limit,
            batch_size=limit + 1,
        )
        batch = [message_from(document) for document in await cursor.to_list()]
        found.update((message.id, message) for message in batch)
        path, missing = path_up(found, leaf_id, limit)
        # An id that the last read asked for and did not bring is of no message here, and never will be.
        if missing is None or missing == at_most or len(batch) < limit:
            return path
        at_most = missing


async def message_of_run(run: Run) -> Message | None:
    """The answer that the run makes; None when a crash came before it was written."""
    document = await database()[MESSAGES].find_one({"_id": run.message_id})
    return None if document is None else message_from(document)


async def keep_progress(message: Message) -> bool:
    """Save the parts so far with the chunks they cover. False when the answer is not ours any more: deleted or reaped.

    The plain text is written once, at the end: until then it would be saved twice each time, and indexed each time.
    """
    kept = await soon(MESSAGES).update_one(
        {"_id": message.id, "status": MessageStatus.STREAMING},
        {"$set": {"parts": message.parts, "position": message.position}},
    )
    return kept.matched_count == 1
