"""Links in letters: each does one thing, once, for a while, and only while the account is what it was.

A token is 256 random bits, and the database has its SHA-256 alone. Using a link deletes it by the same command, so of
two who use it at the same time one gets it.
"""

import secrets
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bson import ObjectId

from accounts import store
from accounts.life.errors import LinkNotValid
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId

TOKEN_BYTES: Final = 32


class Purpose(StrEnum):
    """What a link does."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a name
    CONFIRM_CURRENT_EMAIL = "confirm_current_email"
    CONFIRM_NEW_EMAIL = "confirm_new_email"


LIFETIMES: Final = {
    Purpose.VERIFY_EMAIL: timedelta(days=3),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.CONFIRM_CURRENT_EMAIL: timedelta(days=1),
    Purpose.CONFIRM_NEW_EMAIL: timedelta(days=1),
}


def new_token() -> str:
    """43 characters that fit behind `#` as they are."""
    return secrets.token_urlsafe(TOKEN_BYTES)


async def make_link(user: store.User, purpose: Purpose, *, email: str, change_id: ObjectId | None = None) -> str:
    """The token of a new link for the user, to be sent to this email and kept nowhere."""
    token, at = new_token(), now()
    await store.add_link(
        store.AccountLink(
            id=ObjectId(),
            hash=hash_of(token),
            user_id=user.id,
            purpose=purpose,
            email=email,
            token_version=user.token_version,
            change_id=change_id,
            created_at=at,
            expires_at=at + LIFETIMES[purpose],
        )
    )
    return token


async def look_at_link(token: str, *purposes: Purpose) -> tuple[store.AccountLink, store.User]:
    """The link, which stays as it is, and its user.

    Raises:
        LinkNotValid: used, expired, for another purpose, or the account has changed since.
    """
    link = await store.link_by_hash(hash_of(token))
    if link is None or link.expires_at <= now() or link.purpose not in purposes:
        raise LinkNotValid
    return link, await _user_of(link)


async def use_link(token: str, *purposes: Purpose) -> tuple[store.AccountLink, store.User]:
    """The link, which is gone now, and its user.

    Raises:
        LinkNotValid: as `look_at_link`; also for the later of two.
    """
    link = await store.take_link(hash_of(token), purposes, at=now())
    if link is None:
        raise LinkNotValid
    return link, await _user_of(link)


async def remove_links(owner: UserId) -> None:
    """No link of the owner, and no change of email, goes on: the account has changed."""
    await store.remove_links_of(owner, tuple(Purpose))
    await store.remove_email_change_of(owner)


async def _user_of(link: store.AccountLink) -> store.User:
    user = await store.user_by_id(link.user_id)
    if user is None or user.token_version != link.token_version:
        raise LinkNotValid
    # A link for a change of email knows what the email was by its change.
    if link.change_id is None and user.email != link.email:
        raise LinkNotValid
    return user
