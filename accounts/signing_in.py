"""Proving who one is, and being let in: every way in ends in `let_in`.

A user with a second factor is not let in by the first: `let_in` answers a `Challenge` in place of a grant, whichever
the way, and `answer_challenge` goes on from there.
"""

from enum import StrEnum
from typing import Any

from accounts import sessions, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import PasskeyRefused, PasswordGiven, WrongCredentials
from accounts.life.verification import require_verified
from accounts.mail.addresses import link
from accounts.passwords import verify_password
from accounts.second_factor import challenges
from accounts.second_factor.challenges import Answer, Challenge
from accounts.second_factor.factors import factors_of
from accounts.second_factor.passkeys import owner_by_passkey
from accounts.second_factor.relying_party import RelyingParty
from accounts.sessions import Grant
from eloquent.foundation.clock import now


class Proof(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - a name
    REGISTRATION = "registration"
    RESET_LINK = "reset_link"
    IDENTITY_PROVIDER = "identity_provider"
    PASSKEY = "passkey"


async def sign_in(email: str, password: str, *, device: Device) -> Grant | Challenge:
    """Let in the owner of the email (in its stored form) and the password, or ask for the second factor.

    Raises:
        WrongCredentials: in the same time and words whatever was wrong.
        PasswordGiven: it is right, and opens nothing: see `accounts.given_passwords`.
    """
    user = await store.user_by_email(email)
    verdict = await verify_password(password, user.password if user else None)
    given_until = user.password_expires_at if user else None
    has_expired = given_until is not None and given_until <= now()
    if user is None or not verdict.right or has_expired or not user.is_active:
        await record(Action.SIGN_IN_FAILED, subject=user.id if user else None, device=device, proof=Proof.PASSWORD)
        raise WrongCredentials
    if given_until is not None:
        page = link("own-password")
        raise PasswordGiven(f"{PasswordGiven.sentence.rstrip('.')}: {page}", page=page)
    if verdict.newer_hash:
        await store.upgrade_password_hash(user.id, old=user.password, new=verdict.newer_hash)
    return await let_in(user, proof=Proof.PASSWORD, device=device)


async def let_in(user: store.User, *, proof: Proof, device: Device, both_factors: bool = False) -> Grant | Challenge:
    """Open a session for a user who has just proved who they are, or ask for their second factor first.

    A passkey that verified its user is both factors at once. With `both_factors` the proof is said to be so by
    others: an identity provider that asks for a second factor itself.

    Raises:
        WrongCredentials: the proof was overtaken by a change of password or a deactivation.
        EmailNotVerified: emails are to be proven first, and this one is not.
    """
    require_verified(user)
    if not both_factors and proof is not Proof.PASSKEY:
        factors = await factors_of(user.id)
        if factors.any:
            return await challenges.open_challenge(user, factors, proof=proof, device=device)
    return await _open(user, device=device, proof=proof)


async def answer_challenge(token: str, answer: Answer, *, party: RelyingParty, device: Device) -> Grant:
    """Let in whoever shows the second factor that a challenge asks for.

    Raises:
        ChallengeRefused: the first step is to be done again.
        WrongCode, PasskeyRefused, CodesExhausted: the answer is not right; another may be.
        WrongCredentials: overtaken by a change of password or a deactivation.
    """
    shown = await challenges.answer_challenge(token, answer, party=party, device=device)
    return await _open(shown.user, device=device, proof=shown.proof, second_factor=shown.method)


async def sign_in_with_passkey(credential: dict[str, Any], *, party: RelyingParty, device: Device) -> Grant:
    """Let in the owner of a passkey that verified its user.

    Raises:
        PasskeyRefused: unknown, not what was asked, may be a copy, or its owner may not come in.
        EmailNotVerified: as `let_in`.
        WrongCredentials: overtaken by a deactivation.
    """
    try:
        user = await owner_by_passkey(credential, party=party, device=device)
    except PasskeyRefused:
        await record(Action.SIGN_IN_FAILED, device=device, proof=Proof.PASSKEY)
        raise
    require_verified(user)
    return await _open(user, device=device, proof=Proof.PASSKEY)


async def _open(user: store.User, *, device: Device, proof: str, **facts: str) -> Grant:
    grant = await sessions.open_session(user, device=device, signed_in_with=proof)
    await record(Action.SIGNED_IN, actor=user.id, subject=user.id, device=device, proof=proof, **facts)
    return grant
