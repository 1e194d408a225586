"""Proving who one is, and being let in: every way in ends in `let_in`."""

from enum import StrEnum

from accounts import sessions, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import WrongCredentials
from accounts.passwords import verify_password
from accounts.sessions import Grant


class Proof(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - a name
    REGISTRATION = "registration"
    RESET_LINK = "reset_link"
    IDENTITY_PROVIDER = "identity_provider"
    PASSKEY = "passkey"


async def sign_in(email: str, password: str, *, device: Device) -> Grant:
    """Let in the owner of the email (in its stored form) and the password.

    Raises:
        WrongCredentials: in the same time and words whatever was wrong.
    """
    user = await store.user_by_email(email)
    verdict = await verify_password(password, user.password if user else None)
    if user is None or not verdict.right or not user.is_active:
        await record(Action.SIGN_IN_FAILED, subject=user.id if user else None, device=device, proof=Proof.PASSWORD)
        raise WrongCredentials
    if verdict.newer_hash:
        await store.upgrade_password_hash(user.id, old=user.password, new=verdict.newer_hash)
    return await let_in(user, proof=Proof.PASSWORD, device=device)


async def let_in(user: store.User, *, proof: Proof, device: Device) -> Grant:
    """Open a session for a user who has just proved who they are.

    Raises:
        WrongCredentials: the proof was overtaken by a change of password or a deactivation.
    """
    grant = await sessions.open_session(user, device=device, signed_in_with=proof)
    await record(Action.SIGNED_IN, actor=user.id, subject=user.id, device=device, proof=proof)
    return grant
