"""The stored messages, found by their words. Every function reads only its owner's, and no more than a fixed number."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from pymongo import DESCENDING

from chat.store.documents import CONVERSATIONS, MESSAGES
from chat.types import Role
from eloquent.foundation.database import database
from eloquent.foundation.ids import ConversationId, MessageId, UserId


class FoundText(msgspec.Struct, frozen=True, kw_only=True):
    """A message as far as a search shows it; of a long text only the beginning."""

    id: MessageId
    conversation_id: ConversationId
    role: Role
    text: str
    created_at: datetime


class Found(NamedTuple):
    """Ids of messages, the ones in which the word weighs most first; and how many were looked at."""

    ids: list[MessageId]
    examined: int


class Title(NamedTuple):
    """What a search says of a conversation."""

    title: str
    archived: bool


async def messages_with_word(owner: UserId, word: str, *, patterns: list[str], role: Role | None, most: int) -> Found:
    """The owner's messages with the word whose text matches all patterns too, among the first `most` with the word.

    The text index keeps a word's messages by the word's weight in them, so the first ones are the best, and no more
    than `most` are read however common the word is.
    """
    conditions: list[dict[str, Any]] = [
        {"$regexMatch": {"input": "$text", "regex": pattern, "options": "i"}} for pattern in patterns
    ]
    if role is not None:
        conditions.append({"$eq": ["$role", role]})
    kept: Any = {"$cond": [{"$and": conditions}, "$_id", "$$REMOVE"]} if conditions else "$_id"
    pipeline: list[dict[str, Any]] = [
        {"$match": {"user_id": owner, "$text": {"$search": word}}},
        {"$limit": most},
        {"$group": {"_id": None, "examined": {"$sum": 1}, "ids": {"$push": kept}}},
    ]
    async with await database()[MESSAGES].aggregate(pipeline) as cursor:
        async for document in cursor:
            return Found(document["ids"], document["examined"])
    return Found([], 0)


async def messages_matching(
    owner: UserId, conversation_id: ConversationId, *, patterns: list[str], role: Role | None, most: int
) -> list[MessageId]:
    """The newest `most` messages of the owner's conversation whose text matches all patterns."""
    criteria: dict[str, Any] = {"conversation_id": conversation_id, "user_id": owner}
    criteria["$and"] = [{"text": {"$regex": pattern, "$options": "i"}} for pattern in patterns]
    if role is not None:
        criteria["role"] = role
    cursor = database()[MESSAGES].find(
        criteria, {"_id": 1}, sort=[("_id", DESCENDING)], limit=most, batch_size=most + 1
    )
    return [document["_id"] for document in await cursor.to_list()]


async def texts_of(owner: UserId, ids: list[MessageId], *, longest: int) -> list[FoundText]:
    """The owner's messages among these ids, each with at most `longest` characters of its text."""
    shown: dict[str, Any] = {"conversation_id": 1, "role": 1, "created_at": 1}
    shown["text"] = {"$substrCP": ["$text", 0, longest]}
    cursor = database()[MESSAGES].find({"_id": {"$in": ids}, "user_id": owner}, shown, batch_size=len(ids) + 1)
    return [
        FoundText(
            id=document["_id"],
            conversation_id=document["conversation_id"],
            role=Role(document["role"]),
            text=document["text"],
            created_at=document["created_at"],
        )
        for document in await cursor.to_list()
    ]


async def titles_of(owner: UserId, ids: list[ConversationId]) -> dict[ConversationId, Title]:
    """The titles of the owner's conversations among these ids; one that was deleted is missing."""
    cursor = database()[CONVERSATIONS].find(
        {"_id": {"$in": ids}, "user_id": owner}, {"title": 1, "archived": 1}, batch_size=len(ids) + 1
    )
    return {document["_id"]: Title(document["title"], document["archived"]) for document in await cursor.to_list()}
