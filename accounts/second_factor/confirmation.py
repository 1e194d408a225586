"""Proving once more that it is the owner who changes second factors.

A signed-in device is not enough: it may be stolen, or left open. The password is asked for again, and from a user who
has an authenticator app its code as well, so that a password alone takes no factor away.
"""

import msgspec
from django.contrib.auth.hashers import is_password_usable

from accounts import store
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import SignInTooOld
from accounts.proving import require_password, signed_in_just_now
from accounts.second_factor.codes import use_recovery_code, use_totp
from accounts.second_factor.factors import Factors, factors_of
from eloquent.foundation.errors import NotSignedIn


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner proves it with."""

    current_password: str | None = None
    code: str | None = None
    recovery_code: str | None = None


async def confirmed(identity: Identity, proof: Confirmation, *, device: Device) -> tuple[store.User, Factors]:
    """The owner, who proved it, and their factors as they were before.

    An account without a password has a sign-in of the last ten minutes in its place, or the code of its app.

    Raises:
        WrongPassword, WrongCode: it was not, or is missing.
        SignInTooOld: there is no password to ask for, no code, and the sign-in is older.
        CodesExhausted, Throttled: too many tries.
        NotSignedIn: deleted within the last second.
    """
    user = await store.user_by_id(identity.user_id)
    if user is None:
        raise NotSignedIn
    factors = await factors_of(user.id)
    if is_password_usable(user.password):
        await require_password(user, proof.current_password, device=device)
    elif not factors.has_totp and not await signed_in_just_now(identity):
        raise SignInTooOld
    if factors.has_totp:
        if proof.recovery_code is not None:
            await use_recovery_code(user, factors, proof.recovery_code, device=device)
        else:
            await use_totp(user, factors, proof.code or "", device=device)
    return user, factors
