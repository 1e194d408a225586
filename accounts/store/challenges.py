"""Sign-ins that wait for their second factor, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import UserId


class SignInChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in between its two steps; see `accounts.models.SignInChallenge` for its fields."""

    id: ObjectId
    hash: str
    user_id: UserId
    token_version: int
    proof: str
    created_at: datetime
    expires_at: datetime
    address: str = ""
    attempts: int = 0


async def add_sign_in_challenge(challenge: SignInChallenge) -> None:
    """Write a new challenge."""
    await database().sign_in_challenges.insert_one(document_of(challenge))


async def sign_in_challenge(challenge_hash: str) -> SignInChallenge | None:
    """The challenge, for those who hold its token. It may have expired."""
    return value_of(SignInChallenge, await database().sign_in_challenges.find_one({"hash": challenge_hash}))


async def attempt_sign_in_challenge(challenge_hash: str, *, most: int, at: datetime) -> SignInChallenge | None:
    """The challenge with one attempt more; None when it has expired, was taken, or had its last attempt.

    Counted before the answer is looked at, so that no more are looked at however many come at once.
    """
    document = await database().sign_in_challenges.find_one_and_update(
        {"hash": challenge_hash, "attempts": {"$lt": most}, "expires_at": {"$gt": at}},
        {"$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return value_of(SignInChallenge, document)


async def take_sign_in_challenge(challenge_hash: str) -> bool:
    """Use the challenge up; False when it was: of many who answer it, one is let in."""
    return (await database().sign_in_challenges.delete_one({"hash": challenge_hash})).deleted_count == 1


async def remove_sign_in_challenges_of(owner: UserId) -> None:
    """No sign-in of the owner that waits for its second step goes on."""
    await database().sign_in_challenges.delete_many({"user_id": owner})
