"""Invitations, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import UserId


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to register; see `accounts.models.Invitation` for its fields."""

    id: ObjectId
    hash: str
    created_at: datetime
    expires_at: datetime
    email: str = ""
    invited_by_id: UserId | None = None
    group_id: ObjectId | None = None
    used_at: datetime | None = None
    used_by_id: UserId | None = None


async def add_invitation(invitation: Invitation) -> None:
    """Write a new invitation."""
    await database().invitations.insert_one(document_of(invitation))


async def invitation_by_hash(invitation_hash: str) -> Invitation | None:
    """The invitation, used or not, expired or not. For those who hold its token."""
    return value_of(Invitation, await database().invitations.find_one({"hash": invitation_hash}))


async def invitation_for(email: str, *, at: datetime) -> Invitation | None:
    """One that waits for this email."""
    document = await database().invitations.find_one({"email": email, "used_at": None, "expires_at": {"$gt": at}})
    return value_of(Invitation, document)


async def use_invitation(invitation_id: ObjectId, used_by: UserId, *, at: datetime) -> Invitation | None:
    """The invitation, from now on used: of many who come with it, one gets it."""
    document = await database().invitations.find_one_and_update(
        {"_id": invitation_id, "used_at": None, "expires_at": {"$gt": at}},
        {"$set": {"used_at": at, "used_by_id": used_by}},
        return_document=ReturnDocument.AFTER,
    )
    return value_of(Invitation, document)


async def give_invitation_back(invitation_id: ObjectId, used_by: UserId) -> None:
    """Nothing came of its use: it can be used again."""
    await database().invitations.update_one(
        {"_id": invitation_id, "used_by_id": used_by}, {"$set": {"used_at": None, "used_by_id": None}}
    )


async def join_group(user_id: UserId, group_id: ObjectId) -> None:
    """Make the user a member, also when they are one already. A group that is gone is joined by nobody."""
    if await database().auth_group.find_one({"_id": group_id}, {"_id": 1}) is None:
        return
    try:
        await database().users_groups.update_one(
            {"user_id": user_id, "group_id": group_id}, {"$setOnInsert": {}}, upsert=True
        )
    except DuplicateKeyError:
        return


async def erase_invitations_of(owner: UserId) -> int:
    """Delete the invitations that the user came with or was sent, and forget who sent theirs; how many that were."""
    user = await database().users.find_one({"_id": owner}, {"email": True})
    erased = (await database().invitations.delete_many({"used_by_id": owner})).deleted_count
    if user is not None:
        erased += (await database().invitations.delete_many({"email": user["email"]})).deleted_count
    sent = await database().invitations.update_many({"invited_by_id": owner}, {"$set": {"invited_by_id": None}})
    return erased + sent.modified_count


async def count_invitations_of(owner: UserId) -> int:
    """How many invitations the user came with, was sent, or sent."""
    user = await database().users.find_one({"_id": owner}, {"email": True})
    named = [{"used_by_id": owner}, {"invited_by_id": owner}, *([{"email": user["email"]}] if user else [])]
    return await database().invitations.count_documents({"$or": named})
