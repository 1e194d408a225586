"""Closing an account: nobody comes in any more, and what is at work for it ends. Safe to repeat."""

import asyncio

import structlog

from accounts import liveness, notices, store
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import PersonalStore, personal_stores

log = structlog.get_logger(__name__)


async def close_account(user_id: UserId) -> None:
    """Refuse the user's tokens and keys, close their sockets, stop their answers and jobs.

    What cannot be stopped now is logged: who erases an account stops it again.

    Raises:
        pymongo.errors.PyMongoError: the database is away, and the account may be open.
    """
    await store.close_user(user_id)
    ended = await store.end_sessions_of(user_id, at=now())
    liveness.forget(*ended)
    await notices.tell_user_ended(user_id)
    await asyncio.gather(*(_halt(place, user_id) for place in personal_stores()))


async def _halt(place: PersonalStore, user_id: UserId) -> None:
    if place.halt is None:
        return
    try:
        await place.halt(user_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, the account is closed all the same
        log.warning("something of a closed account goes on", place=place.name, error=repr(error))
