"""Who asks for all of an account, or for its end, proves once more who they are."""

from datetime import timedelta
from typing import Final

from django.contrib.auth.hashers import is_password_usable

from accounts import store, throttle, users
from accounts.authentication import Identity
from accounts.errors import SignInTooOld, WrongPassword
from accounts.passwords import verify_password
from eloquent.foundation.clock import now

SIGNED_IN_WITHIN: Final = timedelta(minutes=10)
"""For accounts without a password of their own."""


async def proven_user(identity: Identity, current_password: str | None) -> store.User:
    """The user who asks, if the password is theirs; where they have none, if they have just signed in.

    Raises:
        WrongPassword: it is not.
        SignInTooOld: the account has no password, and the sign-in is not of the last ten minutes.
        Throttled: too many passwords were tried.
    """
    await throttle.spend(throttle.CHANGE_PASSWORD_BY_USER, str(identity.user_id))
    user = await users.user_of(identity)
    if user.password and is_password_usable(user.password):
        verdict = await verify_password(current_password or "", user.password)
        if not verdict.right:
            raise WrongPassword(errors=[{"loc": ["body", "current_password"], "msg": WrongPassword.sentence}])
        return user
    session = await store.session_by_id(identity.session_id)
    if session is None or now() - session.created_at > SIGNED_IN_WITHIN:
        raise SignInTooOld
    return user
