"""Erasures of accounts, as documents."""

from datetime import datetime
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from accounts.personal_data.states import ErasureStatus
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of
from eloquent.foundation.ids import UserId


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure; see `accounts.models.Erasure` for its fields. `counts` are by the names of places."""

    id: ObjectId
    user_id: UserId | None
    token_hash: str
    cancel_hash: str = ""
    sealed: str = ""
    by_staff: bool = False
    was_active: bool = True
    status: ErasureStatus
    active: bool = True
    step: str = ""
    counts: dict[str, int] = {}
    problem: str = ""
    receipt: str = ""
    attempts: int = 0
    worker: str = ""
    lease_expires_at: datetime
    asked_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


async def add_erasure(new: Erasure) -> Erasure:
    """Write a new erasure and return it; or the one that the user has already."""
    while True:
        try:
            await database().erasures.insert_one(document_of(new))
        except DuplicateKeyError:
            document = await database().erasures.find_one({"user_id": new.user_id, "active": True})
            if document is None:
                continue  # it has ended meanwhile
            return _erasure_from(document)
        return new


async def is_to_be_erased(owner: UserId) -> bool:
    """Whether an erasure of the user waits, or is at work."""
    return await database().erasures.find_one({"user_id": owner, "active": True}, {"_id": 1}) is not None


async def erasure_by_token(token_hash: str) -> Erasure | None:
    """The erasure whose receipt has this token, which only its owner was given."""
    document = await database().erasures.find_one({"token_hash": token_hash})
    return None if document is None else _erasure_from(document)


async def claim_erasure(*, worker: str, at: datetime, lease_expires_at: datetime) -> Erasure | None:
    """Take the erasure that has waited longest, or whose worker was lost; None when none is due."""
    document = await database().erasures.find_one_and_update(
        {"active": True, "lease_expires_at": {"$lte": at}},
        {"$set": {"worker": worker, "lease_expires_at": lease_expires_at}, "$inc": {"attempts": 1}},
        sort=[("lease_expires_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else _erasure_from(document)


async def keep_erasure(claimed: Erasure, **changes: Any) -> Erasure | None:
    """Save the changes and return the erasure as it is then; None when it is not this worker's any more."""
    document = await database().erasures.find_one_and_update(
        {"_id": claimed.id, "active": True, "worker": claimed.worker},
        {"$set": changes},
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else _erasure_from(document)


async def count_erased(claimed: Erasure, place: str, more: int) -> None:
    """Add what a sweep has found in a place behind the first count."""
    await database().erasures.update_one({"_id": claimed.id}, {"$inc": {f"counts.{place}": more}})


async def take_back_erasure(cancel_hash: str, *, at: datetime) -> Erasure | None:
    """Cancel the erasure with this token while nothing is erased, and return it as it was; None: none, or too late."""
    # The bound repeats the partial index's own condition, without which the planner may not use it.
    document = await database().erasures.find_one_and_update(
        {"$and": [{"cancel_hash": cancel_hash}, {"cancel_hash": {"$gt": ""}}], **_waiting(at)}, _taken_back(at)
    )
    return None if document is None else _erasure_from(document)


async def take_back_erasure_at_desk(erasure_id: ObjectId, *, at: datetime) -> Erasure | None:
    """As `take_back_erasure`, for staff, who have no token."""
    document = await database().erasures.find_one_and_update({"_id": erasure_id, **_waiting(at)}, _taken_back(at))
    return None if document is None else _erasure_from(document)


def _waiting(at: datetime) -> Document:
    return {"active": True, "started_at": None, "due_at": {"$gt": at}}


def _taken_back(at: datetime) -> Document:
    over = {"active": False, "user_id": None, "sealed": "", "cancel_hash": ""}
    return {"$set": {"status": ErasureStatus.CANCELLED, "finished_at": at, **over}}


def _erasure_from(document: Document) -> Erasure:
    return known_value_of(Erasure, {**document, "status": ErasureStatus(document["status"])})
