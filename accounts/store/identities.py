"""What providers of OpenID Connect call people, and sign-ins under way there, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of, value_of
from eloquent.foundation.ids import SessionId, UserId


class ExternalIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's name for a user."""

    id: ObjectId
    user_id: UserId
    issuer: str
    subject: str
    created_at: datetime
    email: str = ""
    last_used_at: datetime | None = None


class OpenidAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in or a link that is under way; see `accounts.models.OpenidAttempt` for its fields."""

    id: ObjectId
    hash: str
    provider: str
    sealed: str
    redirect_uri: str
    next_url: str
    expires_at: datetime
    browser_hash: str = ""
    code_challenge: str = ""
    user_id: UserId | None = None
    session_id: SessionId | None = None


class OpenidResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be collected with a one-use code; see `accounts.models.OpenidResult` for its fields."""

    id: ObjectId
    hash: str
    provider: str
    user_id: UserId
    expires_at: datetime
    session_id: SessionId | None = None
    browser_hash: str = ""
    code_challenge: str = ""
    issuer: str = ""
    subject: str = ""
    email: str = ""


class IdentityTakenError(ValueError):
    """The provider's subject belongs to somebody already."""


async def add_identity(identity: ExternalIdentity) -> None:
    """Write a new identity.

    Raises:
        IdentityTakenError: the unique index refused it, also when two arrive at the same moment.
    """
    try:
        await database().external_identities.insert_one(document_of(identity))
    except DuplicateKeyError as error:
        raise IdentityTakenError(identity.issuer) from error


async def identity_at(issuer: str, subject: str) -> ExternalIdentity | None:
    """The identity that the issuer names so."""
    return value_of(
        ExternalIdentity, await database().external_identities.find_one({"issuer": issuer, "subject": subject})
    )


async def identities_of(owner: UserId, *, limit: int) -> list[ExternalIdentity]:
    """The owner's identities, oldest first."""
    found = database().external_identities.find({"user_id": owner}).sort([("created_at", 1), ("_id", 1)]).limit(limit)
    return [known_value_of(ExternalIdentity, document) async for document in found]


async def note_identity_used(owner: UserId, identity_id: ObjectId, *, at: datetime, email: str) -> None:
    """Note when it was used, and which email its provider gave."""
    await database().external_identities.update_one(
        {"_id": identity_id, "user_id": owner}, {"$set": {"last_used_at": at, "email": email}}
    )


async def take_identity(owner: UserId, identity_id: ObjectId) -> ExternalIdentity | None:
    """The owner's identity, deleted by the same command: of many who ask at once, one gets it."""
    document = await database().external_identities.find_one_and_delete({"_id": identity_id, "user_id": owner})
    return value_of(ExternalIdentity, document)


async def remove_identities_of(owner: UserId) -> int:
    """Nobody comes in by any of the owner's identities any more; how many there were."""
    return (await database().external_identities.delete_many({"user_id": owner})).deleted_count


async def add_openid_attempt(attempt: OpenidAttempt) -> None:
    """Write a new attempt."""
    await database().openid_attempts.insert_one(document_of(attempt))


async def take_openid_attempt(state_hash: str, *, browser_hash: str) -> OpenidAttempt | None:
    """The attempt, deleted by the same command; it may have expired.

    Only for the browser that began it, or for any when it was begun for a signed-in user.
    """
    document = await database().openid_attempts.find_one_and_delete(
        {"hash": state_hash, "browser_hash": {"$in": ["", browser_hash]}}
    )
    return value_of(OpenidAttempt, document)


async def add_openid_result(result: OpenidResult) -> None:
    """Write a new result."""
    await database().openid_results.insert_one(document_of(result))


async def take_openid_result(code_hash: str) -> OpenidResult | None:
    """The result, deleted by the same command: a code is good for one question. It may have expired."""
    return value_of(OpenidResult, await database().openid_results.find_one_and_delete({"hash": code_hash}))


async def remove_openid_results_of(owner: UserId) -> None:
    """No code that waits to be collected lets the owner in, or links anything to them."""
    await database().openid_results.delete_many({"user_id": owner})
