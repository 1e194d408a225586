"""Ending everything that lets a user in, and telling other rooms that a user is gone."""

import asyncio

import structlog

from accounts import liveness, notices, store
from accounts.api_key_access import forget_api_key
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import PersonalStore, personal_stores

log = structlog.get_logger(__name__)

_MOST_KEYS = 100


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
    """Have every room end what it has going on for the owner. Never raises; failures are logged."""
    await asyncio.gather(*(_halt(place, owner) for place in personal_stores()))


async def _halt(place: PersonalStore, owner: UserId) -> None:
    if place.halt is None:
        return
    try:
        await place.halt(owner)
    except Exception:
        # The account is closed: what could not be ended is refused at its next step.
        log.exception("something of a closed account goes on", place=place.name)
