"""The stored conversations."""

import asyncio
from datetime import datetime
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat.store.documents import CONVERSATIONS, MESSAGES, RUNS, conversation_from, document_of, many
from chat.types import Conversation, TitledBy
from eloquent.foundation.database import database
from eloquent.foundation.ids import ConversationId, UserId

# Where a list of conversations goes on: the sort key of the last one shown.
ListPosition = tuple[bool, datetime, ConversationId]


class NameTaken(Exception):
    """The user has a conversation with this client id, or one imported from the same place."""


async def add_conversation(conversation: Conversation) -> None:
    """Write a new conversation.

    Raises:
        NameTaken: its `client_id` or `import_key` is another one's of this user.
    """
    try:
        await database()[CONVERSATIONS].insert_one(document_of(conversation))
    except DuplicateKeyError as error:
        raise NameTaken from error


async def find_conversation(owner: UserId, conversation_id: ConversationId) -> Conversation | None:
    """The owner's conversation; None when there is none or it is another user's."""
    document = await database()[CONVERSATIONS].find_one({"_id": conversation_id, "user_id": owner})
    return None if document is None else conversation_from(document)


async def find_conversation_called(owner: UserId, client_id: str) -> Conversation | None:
    """The owner's conversation that a frontend calls by this name of its own; None when there is none."""
    # The bound repeats the partial index's own condition, without which the planner may not use it.
    document = await database()[CONVERSATIONS].find_one(
        {"user_id": owner, "$and": [{"client_id": client_id}, {"client_id": {"$gt": ""}}]}
    )
    return None if document is None else conversation_from(document)


async def list_conversations(
    owner: UserId, *, archived: bool, after: ListPosition | None, limit: int
) -> list[Conversation]:
    """At most `limit` of the owner's conversations, pinned ones first, then the latest changed first."""
    criteria: dict[str, Any] = {"user_id": owner, "archived": archived}
    if after is not None:
        pinned, updated_at, last_id = after
        criteria["$or"] = [
            {"pinned": pinned, "updated_at": updated_at, "_id": {"$lt": last_id}},
            {"pinned": pinned, "updated_at": {"$lt": updated_at}},
            *([{"pinned": False}] if pinned else []),
        ]
    cursor = many(CONVERSATIONS).find(
        criteria,
        sort=[("pinned", DESCENDING), ("updated_at", DESCENDING), ("_id", DESCENDING)],
        limit=limit,
        batch_size=limit + 1,
    )
    return [conversation_from(document) for document in await cursor.to_list()]


async def conversation_ids_of(owner: UserId) -> list[ConversationId]:
    """The ids of all the owner's conversations, oldest first: what is read by them is not missed when it moves."""
    cursor = database()[CONVERSATIONS].find({"user_id": owner}, {"_id": True})
    return sorted(document["_id"] for document in await cursor.to_list())


async def change_conversation(
    owner: UserId, conversation_id: ConversationId, changes: dict[str, Any]
) -> Conversation | None:
    """Set the fields of the owner's conversation and return it as it is then; None when there is none."""
    document = await database()[CONVERSATIONS].find_one_and_update(
        {"_id": conversation_id, "user_id": owner}, {"$set": changes}, return_document=ReturnDocument.AFTER
    )
    return None if document is None else conversation_from(document)


async def title_conversation(owner: UserId, conversation_id: ConversationId, title: str, *, instead_of: str) -> bool:
    """Give a language model's title in the place of first words; False when the user was there first, or it is gone.

    The conversation's place in lists stays.
    """
    titled = await database()[CONVERSATIONS].update_one(
        {"_id": conversation_id, "user_id": owner, "title": instead_of, "titled_by": TitledBy.FIRST_WORDS},
        {"$set": {"title": title, "titled_by": TitledBy.MODEL}},
    )
    return titled.matched_count == 1


async def delete_conversation(owner: UserId, conversation_id: ConversationId) -> bool:
    """Delete the owner's conversation with its messages and runs; False when there is none.

    What is below it goes first: a deletion that breaks off leaves a conversation that can be deleted again, never
    messages that nobody can reach. What was begun in it meanwhile goes after it.
    """
    await delete_below(owner, conversation_id)
    deleted = await database()[CONVERSATIONS].delete_one({"_id": conversation_id, "user_id": owner})
    if not deleted.deleted_count:
        return False
    await delete_below(owner, conversation_id)
    return True


async def delete_below(owner: UserId, conversation_id: ConversationId) -> None:
    """Delete the messages and runs of the owner's conversation, whether it is there or not."""
    criteria = {"conversation_id": conversation_id, "user_id": owner}
    await asyncio.gather(database()[MESSAGES].delete_many(criteria), database()[RUNS].delete_many(criteria))
