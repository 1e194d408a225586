"""Passkeys, and what they are to sign, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of, value_of
from eloquent.foundation.ids import UserId


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A WebAuthn credential; see `accounts.models.Passkey` for its fields."""

    id: ObjectId
    user_id: UserId
    credential_id: str
    public_key: str
    name: str
    created_at: datetime
    sign_count: int = 0
    transports: list[str] = []
    backed_up: bool = False
    last_used_at: datetime | None = None
    cloned_at: datetime | None = None


class PasskeyChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """What a passkey is to sign; see `accounts.models.PasskeyChallenge` for its fields."""

    id: ObjectId
    challenge: str
    purpose: str
    expires_at: datetime
    bound_to: str = ""


class PasskeyTakenError(ValueError):
    """The credential belongs to an account already."""


async def add_passkey(passkey: Passkey) -> None:
    """Write a new passkey.

    Raises:
        PasskeyTakenError: the unique index refused its credential id.
    """
    try:
        await database().passkeys.insert_one(document_of(passkey))
    except DuplicateKeyError as error:
        raise PasskeyTakenError(passkey.credential_id) from error


async def passkeys_of(owner: UserId, *, limit: int) -> list[Passkey]:
    """The owner's passkeys, newest first."""
    found = database().passkeys.find({"user_id": owner}).sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [known_value_of(Passkey, document) async for document in found]


async def passkey_by_credential(credential_id: str) -> Passkey | None:
    """Whosever it is. For those who are about to prove that they hold it; everyone else names the owner too."""
    return value_of(Passkey, await database().passkeys.find_one({"credential_id": credential_id}))


async def rename_passkey(owner: UserId, passkey_id: ObjectId, name: str) -> Passkey | None:
    """The owner's passkey under the new name."""
    document = await database().passkeys.find_one_and_update(
        {"_id": passkey_id, "user_id": owner}, {"$set": {"name": name}}, return_document=ReturnDocument.AFTER
    )
    return value_of(Passkey, document)


async def remove_passkey(owner: UserId, passkey_id: ObjectId) -> Passkey | None:
    """Delete the owner's passkey; what it was."""
    return value_of(Passkey, await database().passkeys.find_one_and_delete({"_id": passkey_id, "user_id": owner}))


async def note_passkey_used(
    owner: UserId, passkey_id: ObjectId, *, sign_count: int, backed_up: bool, at: datetime
) -> bool:
    """Store its counter; False when it has not grown since, or the passkey is gone.

    A passkey whose maker does not count says 0 every time.
    """
    grown = {"$eq": 0} if sign_count == 0 else {"$lt": sign_count}
    changed = await database().passkeys.update_one(
        {"_id": passkey_id, "user_id": owner, "sign_count": grown},
        {"$set": {"sign_count": sign_count, "backed_up": backed_up, "last_used_at": at}},
    )
    return changed.matched_count == 1


async def note_passkey_cloned(owner: UserId, passkey_id: ObjectId, *, at: datetime) -> bool:
    """Remember that its counter went backwards; False when the passkey is gone."""
    changed = await database().passkeys.update_one({"_id": passkey_id, "user_id": owner}, {"$set": {"cloned_at": at}})
    return changed.matched_count == 1


async def add_passkey_challenge(challenge: PasskeyChallenge) -> None:
    """Write what is to be signed."""
    await database().passkey_challenges.insert_one(document_of(challenge))


async def take_passkey_challenge(challenge: str) -> PasskeyChallenge | None:
    """The challenge, deleted by the same command: of many who present it, one gets it. It may have expired."""
    return value_of(PasskeyChallenge, await database().passkey_challenges.find_one_and_delete({"challenge": challenge}))
