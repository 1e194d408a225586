"""The cases of second factors: apps and recovery codes, passkeys, sign-ins between their two steps."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId

import accounts.store
from accounts.store import GuessBound, Passkey, PasskeyChallenge, SecondFactor, SignInChallenge
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of

NOW = datetime(2026, 5, 1, 12, 30, 15, 678000, tzinfo=UTC)
LATER = datetime(2126, 5, 1, tzinfo=UTC)
PEOPLE = [ObjectId() for _ in range(40)]
OWNER, PENDING, NOBODY = PEOPLE[0], PEOPLE[1], ObjectId()

FACTOR = SecondFactor(
    id=ObjectId(),
    user_id=OWNER,
    created_at=NOW,
    totp_secret="gAAA",
    totp_added_at=NOW,
    totp_last_step=59_000_000,
    pending_secret="gAAB",
    pending_until=LATER,
    recovery_codes=["a" * 64, "b" * 64],
    recovery_made_at=NOW,
    guesses=[NOW, NOW - timedelta(hours=1)],
    guesses_version=3,
    guesses_forgiven_at=NOW - timedelta(days=30),
)
PASSKEY = Passkey(
    id=ObjectId(),
    user_id=OWNER,
    credential_id="Y3JlZGVudGlhbA",
    public_key="pQECAyYgASFYIA",
    name="Laptop",
    created_at=NOW,
    sign_count=7,
    transports=["internal", "hybrid"],
    backed_up=True,
    last_used_at=NOW,
    cloned_at=NOW,
)
TO_SIGN = PasskeyChallenge(
    id=ObjectId(), challenge="Y2hhbGxlbmdl", purpose="sign_in", bound_to="c" * 64, expires_at=LATER
)
CHALLENGE = SignInChallenge(
    id=ObjectId(),
    hash="d" * 64,
    user_id=OWNER,
    token_version=3,
    proof="password",
    created_at=NOW,
    expires_at=LATER,
    address="192.0.2.7",
    attempts=1,
)
BOUNDS = (GuessBound(2, NOW - timedelta(days=1)), GuessBound(3, NOW - timedelta(days=7)))


async def write(_world: Any) -> None:
    """Everything of this room, for many people."""
    others = [
        msgspec.structs.replace(
            FACTOR,
            id=ObjectId(),
            user_id=person,
            totp_secret="",
            recovery_codes=[],
            guesses=[],
            guesses_version=0,
            guesses_forgiven_at=None,
        )
        for person in PEOPLE[1:]
    ]
    await database().second_factors.insert_many([document_of(each) for each in [FACTOR, *others]])
    keys = [
        msgspec.structs.replace(PASSKEY, id=ObjectId(), user_id=person, credential_id=str(ObjectId()))
        for person in PEOPLE
        for _ in range(3)
    ]
    await database().passkeys.insert_many([document_of(each) for each in [PASSKEY, *keys]])
    signed = [msgspec.structs.replace(TO_SIGN, id=ObjectId(), challenge=str(ObjectId())) for _ in range(40)]
    await database().passkey_challenges.insert_many([document_of(each) for each in [TO_SIGN, *signed]])
    waiting = [msgspec.structs.replace(CHALLENGE, id=ObjectId(), hash=str(ObjectId())) for _ in range(40)]
    await database().sign_in_challenges.insert_many([document_of(each) for each in [CHALLENGE, *waiting]])


async def _write_factor(factor: SecondFactor) -> None:
    await database().second_factors.insert_one(document_of(factor))


async def _read_to_sign(challenge: PasskeyChallenge) -> PasskeyChallenge | None:
    document = await database().passkey_challenges.find_one({"_id": challenge.id})
    return None if document is None else known_value_of(PasskeyChallenge, document)


# A stored type: one full value of it, and how the store writes and reads one.
KINDS: dict[type[msgspec.Struct], tuple[Callable[[Any], Any], Callable[[Any], Awaitable[Any]], Any]] = {
    SecondFactor: (
        lambda _: FACTOR,
        _write_factor,
        lambda factor: accounts.store.second_factor_of(factor.user_id),
    ),
    Passkey: (
        lambda _: PASSKEY,
        accounts.store.add_passkey,
        lambda passkey: accounts.store.passkey_by_credential(passkey.credential_id),
    ),
    PasskeyChallenge: (lambda _: TO_SIGN, accounts.store.add_passkey_challenge, _read_to_sign),
    SignInChallenge: (
        lambda _: CHALLENGE,
        accounts.store.add_sign_in_challenge,
        lambda challenge: accounts.store.sign_in_challenge(challenge.hash),
    ),
}

CALLS: dict[str, list[Callable[[Any], Awaitable[Any]]]] = {
    "second_factor_of": [lambda _: accounts.store.second_factor_of(OWNER)],
    "put_pending_totp": [
        lambda _: accounts.store.put_pending_totp(OWNER, sealed="x", until=LATER, at=NOW),
        lambda _: accounts.store.put_pending_totp(PENDING, sealed="x", until=LATER, at=NOW),
        lambda _: accounts.store.put_pending_totp(NOBODY, sealed="x", until=LATER, at=NOW),
    ],
    "confirm_totp": [lambda _: accounts.store.confirm_totp(PENDING, sealed="gAAB", step=9, at=NOW)],
    "remove_totp": [lambda _: accounts.store.remove_totp(OWNER)],
    "use_totp_step": [lambda _: accounts.store.use_totp_step(OWNER, sealed="gAAA", step=59_000_001, guessed_at=NOW)],
    "add_guess": [
        lambda _: accounts.store.add_guess(OWNER, version=3, at=NOW, bounds=BOUNDS, forgiven_before=NOW),
        lambda _: accounts.store.add_guess(PENDING, version=3, at=NOW, bounds=BOUNDS, forgiven_before=NOW),
    ],
    "replace_recovery_codes": [lambda _: accounts.store.replace_recovery_codes(OWNER, ["e" * 64], at=NOW)],
    "add_first_recovery_codes": [
        lambda _: accounts.store.add_first_recovery_codes(OWNER, ["e" * 64], at=NOW),
        lambda _: accounts.store.add_first_recovery_codes(PENDING, ["e" * 64], at=NOW),
    ],
    "use_recovery_code": [lambda _: accounts.store.use_recovery_code(OWNER, "a" * 64)],
    "forget_second_factor": [lambda _: accounts.store.forget_second_factor(PENDING)],
    "add_passkey": [
        lambda _: accounts.store.add_passkey(msgspec.structs.replace(PASSKEY, id=ObjectId(), credential_id="new"))
    ],
    "passkeys_of": [lambda _: accounts.store.passkeys_of(OWNER, limit=20)],
    "passkey_by_credential": [lambda _: accounts.store.passkey_by_credential(PASSKEY.credential_id)],
    "rename_passkey": [lambda _: accounts.store.rename_passkey(OWNER, PASSKEY.id, "Phone")],
    "remove_passkey": [lambda _: accounts.store.remove_passkey(OWNER, PASSKEY.id)],
    "note_passkey_used": [
        lambda _: accounts.store.note_passkey_used(OWNER, PASSKEY.id, sign_count=8, backed_up=True, at=NOW),
        lambda _: accounts.store.note_passkey_used(OWNER, PASSKEY.id, sign_count=0, backed_up=True, at=NOW),
    ],
    "note_passkey_cloned": [lambda _: accounts.store.note_passkey_cloned(OWNER, PASSKEY.id, at=NOW)],
    "add_passkey_challenge": [
        lambda _: accounts.store.add_passkey_challenge(
            msgspec.structs.replace(TO_SIGN, id=ObjectId(), challenge="another")
        )
    ],
    "take_passkey_challenge": [lambda _: accounts.store.take_passkey_challenge(TO_SIGN.challenge)],
    "add_sign_in_challenge": [
        lambda _: accounts.store.add_sign_in_challenge(msgspec.structs.replace(CHALLENGE, id=ObjectId(), hash="new"))
    ],
    "sign_in_challenge": [lambda _: accounts.store.sign_in_challenge(CHALLENGE.hash)],
    "attempt_sign_in_challenge": [lambda _: accounts.store.attempt_sign_in_challenge(CHALLENGE.hash, most=5, at=NOW)],
    "take_sign_in_challenge": [lambda _: accounts.store.take_sign_in_challenge(CHALLENGE.hash)],
    "remove_sign_in_challenges_of": [lambda _: accounts.store.remove_sign_in_challenges_of(OWNER)],
}
