"""API keys, as documents."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ReturnDocument

from accounts.store.documents import Position
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of, value_of
from eloquent.foundation.ids import ApiKeyId, UserId


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A program's key; see `accounts.models.ApiKey` for its fields."""

    id: ApiKeyId
    user_id: UserId
    name: str
    prefix: str
    hash: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


async def add_api_key(key: ApiKey) -> None:
    """Write a new key."""
    await database().api_keys.insert_one(document_of(key))


async def take_back_api_key(owner: UserId, key_id: ApiKeyId) -> None:
    """Delete a key that nobody was given."""
    await database().api_keys.delete_one({"_id": key_id, "user_id": owner})


async def living_api_keys_of(owner: UserId, *, at: datetime, after: Position | None, limit: int) -> list[ApiKey]:
    """The owner's keys that are neither revoked nor expired, newest first, those older than `after`."""
    query = _living(owner, at)
    if after is not None:
        # The range on created_at bounds the index scan; the rest breaks ties between keys of one millisecond.
        query["created_at"] = {"$lte": after.created_at}
        query["$and"] = [{"$or": [{"created_at": {"$lt": after.created_at}}, {"_id": {"$lt": after.id}}]}]
    found = database().api_keys.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [known_value_of(ApiKey, document) async for document in found]


async def count_living_api_keys_of(owner: UserId, *, at: datetime) -> int:
    """How many keys of the owner are neither revoked nor expired."""
    return await database().api_keys.count_documents(_living(owner, at))


async def change_api_key(owner: UserId, key_id: ApiKeyId, changes: dict[str, Any], *, at: datetime) -> ApiKey | None:
    """Change fields of a living key of the owner; the key as it is now, None when there is no such one."""
    document = await database().api_keys.find_one_and_update(
        {"_id": key_id, **_living(owner, at)}, {"$set": changes}, return_document=ReturnDocument.AFTER
    )
    return value_of(ApiKey, document)


async def revoke_api_key(owner: UserId, key_id: ApiKeyId, *, at: datetime) -> ApiKey | None:
    """Revoke a living key of the owner; the key as it was, None when there is no such one."""
    document = await database().api_keys.find_one_and_update(
        {"_id": key_id, **_living(owner, at)}, {"$set": {"revoked_at": at}}
    )
    return value_of(ApiKey, document)


async def revoke_api_keys_of(owner: UserId, *, at: datetime) -> list[ApiKey]:
    """Revoke all living keys of the owner; those that were."""
    living = [known_value_of(ApiKey, document) async for document in database().api_keys.find(_living(owner, at))]
    if living:
        chosen = {"user_id": owner, "_id": {"$in": [key.id for key in living]}, "revoked_at": None}
        await database().api_keys.update_many(chosen, {"$set": {"revoked_at": at}})
    return living


async def api_key_in_force(key_hash: str, *, at: datetime) -> ApiKey | None:
    """The key with this hash if it lets anyone in right now; None also when its owner may not come in."""
    key = value_of(ApiKey, await database().api_keys.find_one({"hash": key_hash}))
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at):
        return None
    user = await database().users.find_one({"_id": key.user_id}, {"_id": 0, "is_active": 1})
    return key if user is not None and user["is_active"] else None


async def revoked_among(key_ids: Collection[ApiKeyId]) -> set[ApiKeyId]:
    """Those of the keys that were revoked; deleted ones are among them. As cheap as `ended_among`.

    Expiry is not asked for: what was begun before it may end behind it.
    """
    good = {"_id": {"$in": list(key_ids)}, "revoked_at": None}
    if await database().api_keys.count_documents(good) == len(key_ids):
        return set()
    return set(key_ids) - {document["_id"] async for document in database().api_keys.find(good, {"_id": 1})}


async def note_api_key_used(key_id: ApiKeyId, *, at: datetime, every: timedelta) -> None:
    """Note that the key was used, unless that was noted less than `every` before."""
    await database().api_keys.update_one(
        {"_id": key_id, "$or": [{"last_used_at": None}, {"last_used_at": {"$lte": at - every}}]},
        {"$set": {"last_used_at": at}},
    )


def _living(owner: UserId, at: datetime) -> Document:
    return {"user_id": owner, "revoked_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": at}}]}
