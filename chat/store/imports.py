"""The stored conversations that came from elsewhere."""

from collections.abc import Sequence
from typing import Final

from pymongo import ReplaceOne
from pymongo.errors import DuplicateKeyError

from chat.store.documents import CONVERSATIONS, MESSAGES, document_of, soon
from chat.types import Conversation, Message
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId

_A_WRITE: Final = 500


async def is_imported(owner: UserId, key: str) -> bool:
    """Whether the owner has the conversation with this import key."""
    # The bound repeats the partial index's own condition, without which the planner may not use it.
    found = await database()[CONVERSATIONS].find_one(
        {"user_id": owner, "$and": [{"import_key": key}, {"import_key": {"$gt": ""}}]}, {"_id": 1}
    )
    return found is not None


async def add_imported(conversation: Conversation, messages: Sequence[Message]) -> bool:
    """Write a conversation with its messages; False when its key is there already, and then that one stays.

    Messages come first and are out of reach until the conversation is there. Their ids are the same each time, so what
    a crash has left is replaced, and two imports at once write the same.
    """
    for start in range(0, len(messages), _A_WRITE):
        await soon(MESSAGES).bulk_write(
            [
                ReplaceOne({"_id": message.id}, document_of(message), upsert=True)
                for message in messages[start : start + _A_WRITE]
            ],
            ordered=False,
        )
    try:
        # In the same log, behind the messages: when this is safe, they are.
        await database()[CONVERSATIONS].insert_one(document_of(conversation))
    except DuplicateKeyError:
        return False
    return True
