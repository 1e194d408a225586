"""Letters on their way, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import UserId


class OutgoingMail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that waits; see `accounts.models.OutgoingMail` for its fields."""

    id: ObjectId
    user_id: UserId | None
    kind: str
    sealed: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    attempts: int = 0


async def add_mail(mail: OutgoingMail) -> None:
    """Put a letter in the outbox."""
    await database().outgoing_mail.insert_one(document_of(mail))


async def claim_mail(*, at: datetime, until: datetime) -> OutgoingMail | None:
    """A letter that is due, which nobody else is given before `until`; None when there is none."""
    document = await database().outgoing_mail.find_one_and_update(
        {"due_at": {"$lte": at}},
        {"$set": {"due_at": until}, "$inc": {"attempts": 1}},
        sort=[("due_at", 1)],
        return_document=ReturnDocument.AFTER,
    )
    return value_of(OutgoingMail, document)


async def put_mail_off(mail_id: ObjectId, *, until: datetime) -> None:
    """Try the letter again then."""
    await database().outgoing_mail.update_one({"_id": mail_id}, {"$set": {"due_at": until}})


async def remove_mail(mail_id: ObjectId) -> None:
    """The letter was sent, or never will be."""
    await database().outgoing_mail.delete_one({"_id": mail_id})
