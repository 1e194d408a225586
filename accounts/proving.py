"""Asking a signed-in user once more who they are, before something that cannot be taken back.

A signed-in device is not enough: it may be stolen, or left open.
"""

from datetime import timedelta
from typing import Final

from django.contrib.auth.hashers import is_password_usable

from accounts import store, users
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import SignInTooOld, WrongPassword
from accounts.limits import guessing
from accounts.passwords import verify_password
from eloquent.foundation.clock import now

FRESH: Final = timedelta(minutes=10)
"""How long a sign-in stands in for a password, for accounts that have none."""


async def proven_user(identity: Identity, password: str | None, *, device: Device) -> store.User:
    """The user who asks, who has proved it.

    Raises:
        WrongPassword, SignInTooOld, Throttled: see `require_proof`.
        NotSignedIn: deleted within the last second.
    """
    user = await users.user_of(identity)
    await require_proof(identity, user, password, device=device)
    return user


async def require_proof(identity: Identity, user: store.User, password: str | None, *, device: Device) -> None:
    """Return when the user's password is right, or, for a user who has none, when they signed in just now.

    Raises:
        WrongPassword: at `current_password` of the body.
        SignInTooOld: there is no password, and the sign-in was more than ten minutes ago.
        Throttled: too many wrong ones came before.
    """
    if is_password_usable(user.password):
        await require_password(user, password, device=device)
    elif not await signed_in_just_now(identity):
        raise SignInTooOld


async def require_password(user: store.User, password: str | None, *, device: Device) -> None:
    """Return when it is the user's. Wrong ones count as guesses at the account.

    Raises:
        WrongPassword, Throttled: as `require_proof`.
    """
    attempt = await guessing.begin_again(user.id, device)
    if password is None or not (await verify_password(password, user.password)).right:
        await attempt.failed()
        raise WrongPassword(errors=[{"loc": ["body", "current_password"], "msg": WrongPassword.sentence}])
    await attempt.succeeded()


async def signed_in_just_now(identity: Identity) -> bool:
    """Whether the session that asks was opened within the last ten minutes."""
    session = await store.session_by_id(identity.session_id)
    return session is not None and session.user_id == identity.user_id and now() - session.created_at <= FRESH
