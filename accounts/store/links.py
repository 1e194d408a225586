"""One-use links and changes of email that wait, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import UserId


class AccountLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link of one letter; see `accounts.models.AccountLink` for its fields."""

    id: ObjectId
    hash: str
    user_id: UserId
    purpose: str
    email: str
    token_version: int
    created_at: datetime
    expires_at: datetime
    change_id: ObjectId | None = None


class EmailChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of email that waits; see `accounts.models.EmailChange` for its fields."""

    id: ObjectId
    user_id: UserId
    old_email: str
    new_email: str
    created_at: datetime
    expires_at: datetime
    needs_current: bool = True
    current_confirmed_at: datetime | None = None
    new_confirmed_at: datetime | None = None


async def add_link(link: AccountLink) -> None:
    """Write a new link."""
    await database().account_links.insert_one(document_of(link))


async def link_by_hash(link_hash: str) -> AccountLink | None:
    """The link, left as it is. For those who hold its token. It may have expired."""
    return value_of(AccountLink, await database().account_links.find_one({"hash": link_hash}))


async def take_link(link_hash: str, purposes: tuple[str, ...], *, at: datetime) -> AccountLink | None:
    """The link, deleted by the same command: of many who present it, one gets it. None for another purpose's."""
    document = await database().account_links.find_one_and_delete(
        {"hash": link_hash, "purpose": {"$in": purposes}, "expires_at": {"$gt": at}}
    )
    return value_of(AccountLink, document)


async def remove_links_of(owner: UserId, purposes: tuple[str, ...]) -> None:
    """The owner's links for these purposes open nothing any more."""
    await database().account_links.delete_many({"user_id": owner, "purpose": {"$in": purposes}})


async def begin_email_change(change: EmailChange) -> bool:
    """Write the change in the place of one that waits; False when another began at the same moment."""
    await database().email_changes.delete_one({"user_id": change.user_id})
    try:
        await database().email_changes.insert_one(document_of(change))
    except DuplicateKeyError:
        return False
    return True


async def email_change_of(owner: UserId, *, at: datetime) -> EmailChange | None:
    """The owner's change that waits."""
    document = await database().email_changes.find_one({"user_id": owner, "expires_at": {"$gt": at}})
    return value_of(EmailChange, document)


async def confirm_email_change(
    owner: UserId, change_id: ObjectId, *, of_new: bool, old_email: str, at: datetime
) -> EmailChange | None:
    """The owner's change with one of its addresses' yes; None when it waits no more or began from another email."""
    side = "new_confirmed_at" if of_new else "current_confirmed_at"
    document = await database().email_changes.find_one_and_update(
        {"_id": change_id, "user_id": owner, "old_email": old_email, "expires_at": {"$gt": at}},
        {"$set": {side: at}},
        return_document=ReturnDocument.AFTER,
    )
    return value_of(EmailChange, document)


async def remove_email_change_of(owner: UserId) -> bool:
    """The owner's change waits no more; False when none did."""
    return (await database().email_changes.delete_one({"user_id": owner})).deleted_count == 1
