"""Letting in, or through, whoever shows a passkey."""

from typing import Any

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import PasskeyRefused
from accounts.mail.owners import warn
from accounts.second_factor import ceremonies
from accounts.second_factor.ceremonies import Assertion, Purpose
from accounts.second_factor.codes import failed
from accounts.second_factor.factors import Method
from accounts.second_factor.relying_party import RelyingParty
from eloquent.foundation.clock import now


async def use_passkey(
    user: store.User,
    credential: dict[str, Any],
    *,
    purpose: Purpose,
    bound_to: str,
    party: RelyingParty,
    device: Device,
) -> None:
    """Return when one of the user's passkeys signed the challenge that is bound to `bound_to`.

    Raises:
        PasskeyRefused: another's, unknown, not what was asked; or it counts backwards, as a copy would.
    """
    try:
        assertion = await ceremonies.asserted(credential, purpose=purpose, bound_to=bound_to, party=party)
        if assertion.user_id != user.id:
            raise PasskeyRefused
    except PasskeyRefused:
        await failed(user, Method.PASSKEY, device=device)
        raise
    await _refuse_a_copy(user, assertion, device=device)


async def owner_by_passkey(credential: dict[str, Any], *, party: RelyingParty, device: Device) -> store.User:
    """Who showed a passkey that verified its user, without having said who they are: both factors at once.

    Raises:
        PasskeyRefused: as `use_passkey`, and when the owner may not come in.
    """
    assertion = await ceremonies.asserted(credential, purpose=Purpose.SIGN_IN, bound_to="", party=party)
    user = await store.user_by_id(assertion.user_id)
    if user is None or not user.is_active:
        raise PasskeyRefused
    await _refuse_a_copy(user, assertion, device=device)
    return user


async def _refuse_a_copy(user: store.User, assertion: Assertion, *, device: Device) -> None:
    """The standard leaves it to us what to do (section 6.1.1): whoever has a copy must not come in, so nobody does."""
    if not assertion.suspected:
        return
    await store.note_passkey_cloned(user.id, assertion.id, at=now())
    await record(
        Action.PASSKEY_CLONED,
        subject=user.id,
        device=device,
        target=f"passkey:{assertion.id}",
        count=assertion.new_sign_count,
        expected_above=assertion.sign_count,
    )
    await warn(user, "passkey_cloned", device=device)
    raise PasskeyRefused("This passkey may have been copied. Sign in another way, delete it and make a new one.")
