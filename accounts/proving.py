"""Asking signed-in users once more who they are, before what opens the account for good or cannot be taken back.

A signed-in device is not enough: it may be stolen, or left open. The password is asked for again, and from a user who
has an authenticator app its code as well, so that a password alone neither takes a factor away nor carries data out.
"""

from datetime import timedelta
from typing import Final

import msgspec

from accounts import store
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import SignInTooOld, WrongPassword
from accounts.limits import guessing
from accounts.passwords import verify_password
from accounts.second_factor.codes import use_recovery_code, use_totp
from accounts.second_factor.factors import Factors, factors_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotSignedIn

FRESH: Final = timedelta(minutes=10)
"""How long a sign-in stands in for a password, for accounts that have none."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner proves it with."""

    current_password: str | None = None
    code: str | None = None
    recovery_code: str | None = None


class Owner(msgspec.Struct, frozen=True):
    """Who proved it, and their second factors at that moment."""

    user: store.User
    factors: Factors


async def proven_owner(identity: Identity, evidence: Evidence, *, device: Device) -> Owner:
    """The user who asks, who has proved it.

    Who has no password, or one that staff made up, has a sign-in of the last ten minutes in its place, or the code of
    their app.

    Raises:
        WrongPassword, WrongCode: it was not right, or is missing; at its field of the body.
        SignInTooOld: there is no password to ask for, no app, and the sign-in is older.
        CodesExhausted, Throttled: too many wrong ones came before.
        NotSignedIn: deleted within the last second.
    """
    user = await store.user_by_id(identity.user_id)
    if user is None:
        raise NotSignedIn
    factors = await factors_of(user.id)
    if user.has_own_password:
        await require_password(user, evidence.current_password, device=device)
    elif not factors.has_totp and not await _signed_in_just_now(identity):
        raise SignInTooOld
    if factors.has_totp:
        if evidence.recovery_code is not None:
            await use_recovery_code(user, factors, evidence.recovery_code, device=device)
        else:
            await use_totp(user, factors, evidence.code or "", device=device)
    return Owner(user, factors)


async def require_password(user: store.User, password: str | None, *, device: Device) -> None:
    """Return when it is the user's. Wrong ones count as guesses at the account.

    Raises:
        WrongPassword: at `current_password` of the body.
        Throttled: too many wrong ones came before.
    """
    attempt = await guessing.begin_again(user.id, device)
    if password is None or not (await verify_password(password, user.password)).right:
        await attempt.failed()
        raise WrongPassword(errors=[{"loc": ["body", "current_password"], "msg": WrongPassword.sentence}])
    await attempt.succeeded()


async def _signed_in_just_now(identity: Identity) -> bool:
    session = await store.session_by_id(identity.session_id)
    return session is not None and session.user_id == identity.user_id and now() - session.created_at <= FRESH
