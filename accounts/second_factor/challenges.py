"""A sign-in between its two steps: the first is proved, the second factor is asked for.

Whoever holds the challenge's token (256 random bits, stored hashed) has proved to be the user by the first step, and
gets nothing with it but five answers within five minutes.
"""

import secrets
from datetime import timedelta
from typing import Any, Final

import msgspec
from bson import ObjectId

from accounts import store
from accounts.devices import Device
from accounts.errors import ChallengeRefused, PasskeyRefused
from accounts.mail.owners import warn
from accounts.second_factor.ceremonies import Purpose, assertion_options
from accounts.second_factor.codes import use_recovery_code, use_totp
from accounts.second_factor.factors import Factors, Method, factors_of
from accounts.second_factor.passkeys import use_passkey
from accounts.second_factor.relying_party import RelyingParty
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import InvalidInput

LIFETIME: Final = timedelta(minutes=5)
MOST_ATTEMPTS: Final = 5
_TOKEN_BYTES: Final = 32


class Challenge(msgspec.Struct, frozen=True):
    """What a client gets in place of a grant: the second factor is to be shown, in one of these ways."""

    token: str
    methods: list[Method]
    expires_in_s: int = int(LIFETIME.total_seconds())


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A second factor that is shown: exactly one of these."""

    code: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None


class Shown(msgspec.Struct, frozen=True):
    """An answer that was right: who may come in, and what they proved in which step."""

    user: store.User
    proof: str
    method: Method


async def open_challenge(user: store.User, factors: Factors, *, proof: str, device: Device) -> Challenge:
    """Ask a user, who proved the first step by `proof`, for the second."""
    token, at = secrets.token_urlsafe(_TOKEN_BYTES), now()
    await store.add_sign_in_challenge(
        store.SignInChallenge(
            id=ObjectId(),
            hash=hash_of(token),
            user_id=user.id,
            token_version=user.token_version,
            proof=proof,
            address=device.address,
            created_at=at,
            expires_at=at + LIFETIME,
        )
    )
    return Challenge(token, factors.methods)


async def passkey_options(token: str, *, party: RelyingParty) -> dict[str, Any]:
    """What the browser asks the user's passkeys to sign in answer to the challenge.

    Raises:
        ChallengeRefused: the challenge cannot be answered any more.
        PasskeyRefused: the user has no passkey.
    """
    challenge = await store.sign_in_challenge(hash_of(token))
    if challenge is None or challenge.expires_at <= now() or challenge.attempts >= MOST_ATTEMPTS:
        raise ChallengeRefused
    passkeys = (await factors_of(challenge.user_id)).passkeys
    if not passkeys:
        raise PasskeyRefused
    return await assertion_options(passkeys, purpose=Purpose.SECOND_FACTOR, bound_to=challenge.hash, party=party)


async def answer_challenge(token: str, answer: Answer, *, party: RelyingParty, device: Device) -> Shown:
    """Who may come in now. The challenge is used up by a right answer, and by the fifth wrong one.

    Raises:
        ChallengeRefused: unknown, used, older than five minutes, or the password was changed since, or the user may
            not come in.
        WrongCode, PasskeyRefused, CodesExhausted: the answer is not right; another may be.
    """
    challenge = await store.attempt_sign_in_challenge(hash_of(token), most=MOST_ATTEMPTS, at=now())
    if challenge is None:
        raise ChallengeRefused
    user = await store.user_by_id(challenge.user_id)
    if user is None or not user.is_active or user.token_version != challenge.token_version:
        raise ChallengeRefused
    try:
        method = await _use(user, answer, bound_to=challenge.hash, party=party, device=device)
    except InvalidInput:
        if challenge.attempts == MOST_ATTEMPTS:
            await warn(user, "second_factor_guessed", device=device)
        raise
    if not await store.take_sign_in_challenge(challenge.hash):
        raise ChallengeRefused
    return Shown(user, challenge.proof, method)


async def _use(user: store.User, answer: Answer, *, bound_to: str, party: RelyingParty, device: Device) -> Method:
    if answer.passkey is not None:
        await use_passkey(
            user, answer.passkey, purpose=Purpose.SECOND_FACTOR, bound_to=bound_to, party=party, device=device
        )
        return Method.PASSKEY
    factors = await factors_of(user.id)
    if answer.recovery_code is not None:
        await use_recovery_code(user, factors, answer.recovery_code, device=device)
        return Method.RECOVERY_CODE
    await use_totp(user, factors, answer.code or "", device=device)
    return Method.TOTP
