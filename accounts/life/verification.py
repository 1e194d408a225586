"""Proving an email: whoever reads its letters has it."""

import contextlib

from accounts import store, throttle
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.life import limits
from accounts.life.beside import beside
from accounts.life.errors import EmailNotVerified, LinkNotValid, MailIsOff
from accounts.life.links import Purpose, look_at_link, make_link, use_link
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.proving import require_password
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import Conflict, Throttled
from eloquent.foundation.ids import UserId


def require_mail() -> None:
    """Return where letters are sent.

    Raises:
        MailIsOff: they are not.
    """
    if not get_config().sends_mail:
        raise MailIsOff


def verification_is_required() -> bool:
    """Whether nobody signs in before their email is proven."""
    return get_config().verification == "required"


def require_verified(user: store.User) -> None:
    """Return when the user's email is proven well enough to let them in.

    Whoever is refused has proven who they are, so they are sent another letter, not too often.

    Raises:
        EmailNotVerified: it is not.
    """
    if user.email_verified_at is None and verification_is_required():
        beside(_remind(user))
        raise EmailNotVerified(email=user.email)


async def send_verification(user: store.User) -> None:
    """Write to the user's email: the link in the letter proves it."""
    token = await make_link(user, Purpose.VERIFY_EMAIL, email=user.email)
    await post("verify_email", to=user.email, user_id=user.id, context={"link": link("verify-email", token)})


async def send_verification_again(user: store.User) -> None:
    """As `send_verification`, for a user who asks.

    Raises:
        Conflict: the email is proven already.
        Throttled: asked too often.
        MailIsOff: no letters are sent here.
    """
    require_mail()
    if user.email_verified_at is not None:
        raise Conflict("This email address is confirmed already.")
    await throttle.spend(limits.VERIFY_BY_USER, str(user.id))
    await send_verification(user)


async def verify_email(token: str, *, signed_in: UserId | None, password: str | None, device: Device) -> store.User:
    """The user whose email the link has proven. Nobody is signed in by it.

    Who opens the link must be the one who made the account: signed in to it, or with its password. Else somebody could
    register another's address, and have its owner's click make the account look like theirs.

    Raises:
        LinkNotValid: used, expired, or the email or the password has changed since.
        WrongPassword, Throttled: see `require_password`; the link can still be used.
    """
    _, user = await look_at_link(token, Purpose.VERIFY_EMAIL)
    if user.id != signed_in and user.has_own_password:
        await require_password(user, password, device=device)
    used, user = await use_link(token, Purpose.VERIFY_EMAIL)
    verified = await store.verify_email(user.id, email=used.email, at=now()) if user.is_active else None
    if verified is None:
        raise LinkNotValid
    await store.remove_links_of(user.id, (Purpose.VERIFY_EMAIL,))
    await record(Action.EMAIL_VERIFIED, subject=user.id, device=device)
    return verified


async def _remind(user: store.User) -> None:
    with contextlib.suppress(Throttled):
        await throttle.spend(limits.VERIFY_BY_USER, str(user.id))
        await send_verification(user)
