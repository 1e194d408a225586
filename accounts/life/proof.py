"""Asking a signed-in user once more who they are, before something that cannot be taken back."""

from datetime import timedelta
from typing import Final

from django.contrib.auth.hashers import is_password_usable

from accounts import store
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import WrongPassword
from accounts.life.errors import FreshSignInNeeded
from accounts.limits import guessing
from accounts.passwords import verify_password
from eloquent.foundation.clock import now

FRESH: Final = timedelta(minutes=10)


async def require_proof(identity: Identity, user: store.User, password: str | None, *, device: Device) -> None:
    """Return when the user's password is right, or, for a user who has none, when they signed in just now.

    Raises:
        Throttled: too many wrong ones came before.
        WrongPassword: at `current_password` of the body.
        FreshSignInNeeded: there is no password, and the sign-in was more than ten minutes ago.
    """
    if is_password_usable(user.password):
        attempt = await guessing.begin_again(user.id, device)
        if password is None or not (await verify_password(password, user.password)).right:
            await attempt.failed()
            raise WrongPassword(errors=[{"loc": ["body", "current_password"], "msg": WrongPassword.sentence}])
        await attempt.succeeded()
        return
    session = await store.session_by_id(identity.session_id)
    if session is None or session.created_at < now() - FRESH:
        raise FreshSignInNeeded
