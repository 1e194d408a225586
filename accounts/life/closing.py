"""Ending everything that lets a user in, and telling other rooms that a user is gone."""

from collections.abc import Awaitable, Callable

import structlog

from accounts import liveness, notices, store
from accounts.api_key_access import forget_api_key
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId

log = structlog.get_logger(__name__)

_MOST_KEYS = 100

_told: list[Callable[[UserId], Awaitable[None]]] = []


def when_closed(tell: Callable[[UserId], Awaitable[None]]) -> None:
    """From now on `tell` is called with every user whose account closes. Called when the apps are loaded."""
    if tell not in _told:
        _told.append(tell)


async def end_sessions(owner: UserId) -> None:
    """End all sessions of the owner, and close their sockets everywhere."""
    await store.end_sessions_of(owner, at=now())
    liveness.forget_user(owner)
    await notices.tell_user_ended(owner)


async def revoke_api_keys(owner: UserId) -> int:
    """Revoke all API keys of the owner; how many there were."""
    revoked = await store.revoke_api_keys_of(owner, at=now())
    for key in revoked:
        forget_api_key(key.hash)
    return len(revoked)


async def close(owner: UserId) -> None:
    """The owner's account is not active any more: end what it has going on. Keys stay, and are refused meanwhile."""
    await end_sessions(owner)
    for key in await store.living_api_keys_of(owner, at=now(), after=None, limit=_MOST_KEYS):
        forget_api_key(key.hash)
    await tell_rooms(owner)


async def tell_rooms(owner: UserId) -> None:
    """Have the rooms above end what they have going on for the owner. Never raises; failures are logged."""
    for tell in _told:
        try:
            await tell(owner)
        except Exception:
            # The account is closed: what another room could not end is refused at its next step.
            log.exception("a room was not told that an account closed")
