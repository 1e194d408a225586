"""Authenticator apps and recovery codes, as documents."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, value_of
from eloquent.foundation.ids import UserId


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """A user's authenticator app and recovery codes; see `accounts.models.SecondFactor` for its fields."""

    id: ObjectId
    user_id: UserId
    created_at: datetime
    totp_secret: str = ""
    totp_added_at: datetime | None = None
    totp_last_step: int = 0
    pending_secret: str = ""
    pending_until: datetime | None = None
    recovery_codes: list[str] = []
    recovery_made_at: datetime | None = None
    guesses: list[datetime] = []
    guesses_version: int = 0
    guesses_forgiven_at: datetime | None = None


class GuessBound(msgspec.Struct, frozen=True):
    """At most `amount` wrong codes since a moment."""

    amount: int
    since: datetime


async def second_factor_of(owner: UserId) -> SecondFactor | None:
    """The owner's app and recovery codes."""
    return value_of(SecondFactor, await database().second_factors.find_one({"user_id": owner}))


async def put_pending_totp(owner: UserId, *, sealed: str, until: datetime, at: datetime) -> bool:
    """Keep the secret of an app that is still to show its first code; False when there is an app already.

    A pending one before it is forgotten.
    """
    return await _put(owner, {"totp_secret": ""}, {"pending_secret": sealed, "pending_until": until}, at)


async def confirm_totp(owner: UserId, *, sealed: str, step: int, at: datetime) -> bool:
    """Make the pending app the owner's, the codes up to this step used up; False when it is not pending any more."""
    changed = await database().second_factors.update_one(
        {"user_id": owner, "pending_secret": sealed, "totp_secret": ""},
        {
            "$set": {
                "totp_secret": sealed,
                "totp_added_at": at,
                "totp_last_step": step,
                "pending_secret": "",
                "pending_until": None,
            }
        },
    )
    return changed.matched_count == 1


async def remove_totp(owner: UserId) -> bool:
    """Forget the owner's app; False when there is none."""
    changed = await database().second_factors.update_one(
        {"user_id": owner, "totp_secret": {"$ne": ""}},
        {"$set": {"totp_secret": "", "totp_added_at": None, "guesses": []}},
    )
    return changed.matched_count == 1


async def use_totp_step(owner: UserId, *, sealed: str, step: int, guessed_at: datetime) -> bool:
    """Use up the step's code, and take back its guess; False when it, or a later one, was used, or the app is gone.

    One compare-and-set, so of many who present the same code exactly one is let in.
    """
    changed = await database().second_factors.update_one(
        {"user_id": owner, "totp_secret": sealed, "totp_last_step": {"$lt": step}},
        {"$set": {"totp_last_step": step}, "$pull": {"guesses": guessed_at}},
    )
    return changed.matched_count == 1


async def add_guess(
    owner: UserId, *, version: int, at: datetime, bounds: Sequence[GuessBound], forgiven_before: datetime
) -> bool:
    """Count one attempt at a code before it is looked at; False when a bound is reached.

    Guesses under another version are then forgotten, since whoever made them does not have the password of today: not
    if it happened after `forgiven_before` already.
    """
    most = max(bound.amount for bound in bounds)
    within: list[Document] = [
        {"$or": [{place: {"$exists": False}}, {place: {"$lte": bound.since}}]}
        for bound in bounds
        for place in [f"guesses.{bound.amount - 1}"]
    ]
    collection = database().second_factors
    is_first: Document = {"$eq": ["$guesses", []]}
    guesses: Document = {"$slice": [{"$concatArrays": [[at], "$guesses"]}, most]}
    counted = await collection.update_one(
        {"user_id": owner, "$and": within},
        [{"$set": {"guesses": guesses, "guesses_version": {"$cond": [is_first, version, "$guesses_version"]}}}],
    )
    if counted.matched_count == 1:
        return True
    forgiven: Document = {"guesses": [at], "guesses_version": version, "guesses_forgiven_at": at}
    begun = await collection.update_one(
        {
            "user_id": owner,
            "guesses_version": {"$ne": version},
            "$or": [{"guesses_forgiven_at": None}, {"guesses_forgiven_at": {"$lte": forgiven_before}}],
        },
        {"$set": forgiven},
    )
    return begun.matched_count == 1


async def replace_recovery_codes(owner: UserId, hashes: list[str], *, at: datetime) -> None:
    """These are the owner's recovery codes from now on; those before them are good no more."""
    await _put(owner, {}, {"recovery_codes": hashes, "recovery_made_at": at}, at)


async def add_first_recovery_codes(owner: UserId, hashes: list[str], *, at: datetime) -> bool:
    """Give these recovery codes to an owner who has none; False when there are some."""
    return await _put(owner, {"recovery_codes": []}, {"recovery_codes": hashes, "recovery_made_at": at}, at)


async def use_recovery_code(owner: UserId, code_hash: str) -> int | None:
    """Use up one of the owner's recovery codes; how many are left, None when it is not one."""
    document = await database().second_factors.find_one_and_update(
        {"user_id": owner, "recovery_codes": code_hash},
        {"$pull": {"recovery_codes": code_hash}},
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else len(document["recovery_codes"])


async def forget_second_factor(owner: UserId) -> bool:
    """Delete the recovery codes of an owner who has no app; False when there is an app, or nothing."""
    deleted = await database().second_factors.delete_one({"user_id": owner, "totp_secret": ""})
    return deleted.deleted_count == 1


async def _put(owner: UserId, where: Document, changes: Document, at: datetime) -> bool:
    """Change the owner's document, which is made if there is none; False when there is one that is not like `where`."""
    fresh = document_of(SecondFactor(id=ObjectId(), user_id=owner, created_at=at))
    given = {"user_id", *where, *changes}
    rest = {name: value for name, value in fresh.items() if name not in given}
    query = {"user_id": owner, **where}
    try:
        await database().second_factors.update_one(query, {"$set": changes, "$setOnInsert": rest}, upsert=True)
    except DuplicateKeyError:
        # There is one, which is not like that; or another was first to make it, which the next look finds.
        changed = await database().second_factors.update_one(query, {"$set": changes})
        return changed.matched_count == 1
    return True
