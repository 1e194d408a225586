"""Users, as documents."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from bson import ObjectId
from django.contrib.auth.hashers import is_password_usable
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import UserId


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person. `password` is the encoded hash."""

    id: UserId
    email: str
    name: str
    password: str
    created_at: datetime
    is_staff: bool = False
    is_active: bool = True
    is_superuser: bool = False
    token_version: int = 0
    password_expires_at: datetime | None = None
    email_verified_at: datetime | None = None
    deactivated_by: str = ""
    last_login: datetime | None = None

    @property
    def has_own_password(self) -> bool:
        """Whether there is a password that its owner has chosen: staff know those that they made up."""
        return is_password_usable(self.password) and self.password_expires_at is None


class EmailTakenError(ValueError):
    """Another user has this email."""


async def add_user(user: User) -> None:
    """Write a new user.

    Raises:
        EmailTakenError: the unique index refused the email, also when two arrive at the same moment.
    """
    try:
        await database().users.insert_one(document_of(user))
    except DuplicateKeyError as error:
        raise EmailTakenError(user.email) from error


async def user_by_email(email: str) -> User | None:
    """The user with this email, which must be in its stored form."""
    return value_of(User, await database().users.find_one({"email": email}))


async def user_by_id(user_id: UserId) -> User | None:
    """The user, active or not."""
    return value_of(User, await database().users.find_one({"_id": user_id}))


async def rename_user(user_id: UserId, name: str) -> User | None:
    """The user under the new name."""
    document = await database().users.find_one_and_update(
        {"_id": user_id}, {"$set": {"name": name}}, return_document=ReturnDocument.AFTER
    )
    return value_of(User, document)


async def upgrade_password_hash(user_id: UserId, *, old: str, new: str) -> None:
    """Store the same password under a newer hash, unless it was changed meanwhile."""
    await database().users.update_one({"_id": user_id, "password": old}, {"$set": {"password": new}})


async def replace_password(user_id: UserId, *, old: str, new: str) -> User | None:
    """The user with the new hash and the next token version; None when another change was first."""
    document = await database().users.find_one_and_update(
        {"_id": user_id, "password": old},
        {"$set": {"password": new, "password_expires_at": None}, "$inc": {"token_version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return value_of(User, document)


async def verify_email(user_id: UserId, *, email: str, at: datetime) -> User | None:
    """The user, whose email is proven from now on (or was before); None when they have another by now."""
    document = await database().users.find_one_and_update(
        {"_id": user_id, "email": email},
        [{"$set": {"email_verified_at": {"$ifNull": ["$email_verified_at", at]}}}],
        return_document=ReturnDocument.AFTER,
    )
    return value_of(User, document)


async def change_email(user_id: UserId, *, old: str, new: str, at: datetime) -> User | None:
    """The user under the new email, which is proven; None when another change was first.

    Raises:
        EmailTakenError: the unique index refused it.
    """
    try:
        document = await database().users.find_one_and_update(
            {"_id": user_id, "email": old},
            {"$set": {"email": new, "email_verified_at": at}},
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError as error:
        raise EmailTakenError(new) from error
    return value_of(User, document)


async def reset_password(
    user_id: UserId, *, email: str, token_version: int, new: str, proves_email: bool, at: datetime
) -> User | None:
    """The user with the new hash, the next token version, and active; with `proves_email`, with a proven email.

    None when the email or the password changed since `token_version`, or when staff closed the account.
    """
    document = await database().users.find_one_and_update(
        {
            "_id": user_id,
            "email": email,
            "token_version": token_version,
            "$or": [{"is_active": True}, {"deactivated_by": "owner"}],
        },
        [
            {
                "$set": {
                    "password": {"$literal": new},
                    "password_expires_at": None,
                    "token_version": {"$add": ["$token_version", 1]},
                    "is_active": True,
                    "deactivated_by": "",
                    "email_verified_at": {"$ifNull": ["$email_verified_at", at if proves_email else None]},
                }
            }
        ],
        return_document=ReturnDocument.AFTER,
    )
    return value_of(User, document)


async def deactivate_user(user_id: UserId) -> User | None:
    """The user, whom nothing lets in any more, by their own wish; None when they were not active."""
    document = await database().users.find_one_and_update(
        {"_id": user_id, "is_active": True},
        {"$set": {"is_active": False, "deactivated_by": "owner"}, "$inc": {"token_version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return value_of(User, document)


async def inactive_among(user_ids: Collection[UserId]) -> set[UserId]:
    """Those of the users who may not come in; deleted ones are among them. As cheap as `ended_among`."""
    active = {"_id": {"$in": list(user_ids)}, "is_active": True}
    if await database().users.count_documents(active) == len(user_ids):
        return set()
    return set(user_ids) - {document["_id"] async for document in database().users.find(active, {"_id": 1})}


async def close_user(user_id: UserId) -> None:
    """Let the user in no more: by no token that was signed before, by no key, and by no new sign-in."""
    await database().users.update_one(
        {"_id": user_id, "is_active": True}, {"$set": {"is_active": False}, "$inc": {"token_version": 1}}
    )


async def reopen_user(user_id: UserId) -> None:
    """Let the user sign in again, unless staff have closed the account meanwhile."""
    # A user whom an earlier version wrote has no such field.
    unless_closed = {"_id": user_id, "deactivated_by": {"$in": ["", None]}}
    await database().users.update_one(unless_closed, {"$set": {"is_active": True}})


async def groups_of(user_id: UserId) -> frozenset[ObjectId]:
    """The ids of the user's groups."""
    memberships = await database().users_groups.find({"user_id": user_id}, {"group_id": True}).to_list()
    return frozenset(membership["group_id"] for membership in memberships)


async def names_of_groups(group_ids: Collection[ObjectId]) -> frozenset[str]:
    """The names of the groups that are still there."""
    groups = await database().auth_group.find({"_id": {"$in": list(group_ids)}}, {"name": True}).to_list()
    return frozenset(group["name"] for group in groups)
