"""Those who were let in and are still here: open sockets, and answers that are written for a program.

A request is looked at when it comes. These stay, so one task of the process asks for all of them together, once a
second, whether they still may: three small questions to the database, whoever and however many they are. A notice
(`accounts.notices`) closes a socket sooner. This is what holds when there was none, because Redis was away, or whoever
changed the database told nobody.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import structlog
from pymongo.errors import PyMongoError

from accounts import store
from accounts.api_key_access import ApiIdentity
from accounts.authentication import Identity
from eloquent.foundation.clock import now
from eloquent.foundation.ids import SessionId

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.9
"""Whoever has to leave has left within a second: a tenth is for asking."""
LOOK_LIMIT_S: Final = 15.0
"""Longer than the database's own limit: a look that hangs must not be the last one."""
TOLD_EVERY_S: Final = 60.0
"""How often the log says that the database is away, while it is."""
SEEN_EVERY_S: Final = 60.0
"""How often the devices with an open socket are noted as seen: otherwise only a refresh does that."""
MOST_AT_ONCE: Final = 5_000
"""Ids in one question: as many sessions take the database 20 ms, and others wait no longer than that."""


class Leaving(StrEnum):
    """Why somebody has to leave."""

    ENDED = "ended"  # the session, the key or the account
    DOUBTED = "doubted"  # what let them in may have been forged; who is let in again may come back


Leave: TypeAlias = Callable[[Leaving], Awaitable[None]]


class _Guest:
    """Somebody who is here. Compared by identity: one session may have many sockets."""

    def __init__(self, identity: Identity | ApiIdentity, leave: Leave) -> None:
        self.identity = identity
        self.leave = leave


# A connection belongs to its loop. A server process has one; a test process may have a server in each of several.
_guests: WeakKeyDictionary[asyncio.AbstractEventLoop, set[_Guest]] = WeakKeyDictionary()
_leaving: Final[set[asyncio.Task[None]]] = set()


@contextmanager
def staying(identity: Identity | ApiIdentity, leave: Leave) -> Iterator[None]:
    """Be asked for as long as this lasts; `leave` is awaited, once, when the access of the identity has ended."""
    gone = admit(identity, leave)
    try:
        yield
    finally:
        gone()


def admit(identity: Identity | ApiIdentity, leave: Leave) -> Callable[[], None]:
    """As `staying`, for those who call what is returned when they go."""
    guest, here = _Guest(identity, leave), _here()
    here.add(guest)
    return lambda: here.discard(guest)


async def run() -> None:
    """Look again and again, until cancelled; nothing else ends it, and no look takes longer than `LOOK_LIMIT_S`."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    seen_at, told_at = loop.time(), float("-inf")
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                await look()
                if loop.time() - seen_at >= SEEN_EVERY_S:
                    seen_at = loop.time()
                    await note_seen()
        except (PyMongoError, TimeoutError) as error:
            if loop.time() - told_at >= TOLD_EVERY_S:
                told_at = loop.time()
                log.warning("nobody knows who may stay: the database is away", error=type(error).__name__)
        except asyncio.CancelledError:
            if task is None or task.cancelling():
                raise
            log.warning("a look at those who are here was cancelled by somebody else")
        except Exception:
            log.exception("those who are here cannot be looked at")
        else:
            told_at = float("-inf")


async def look() -> None:
    """Have everybody leave whose access has ended.

    Raises:
        pymongo.errors.PyMongoError: the database does not answer, and all stay.
    """
    guests = list(_here())
    for first in range(0, len(guests), MOST_AT_ONCE):
        _send_away(await _without_access(guests[first : first + MOST_AT_ONCE]), Leaving.ENDED)


async def doubt_all() -> None:
    """Have every session's guests leave: a key that signs access tokens is known to others, who may be among them."""
    _send_away([guest for guest in _here() if isinstance(guest.identity, Identity)], Leaving.DOUBTED)


async def note_seen() -> None:
    """Note that the devices with an open socket are here."""
    sessions = list({guest.identity.session_id for guest in _here() if isinstance(guest.identity, Identity)})
    for first in range(0, len(sessions), MOST_AT_ONCE):
        await store.note_seen(sessions[first : first + MOST_AT_ONCE], at=now())


def _here() -> set[_Guest]:
    return _guests.setdefault(asyncio.get_running_loop(), set())


async def _without_access(guests: list[_Guest]) -> list[_Guest]:
    sessions = {guest.identity.session_id for guest in guests if isinstance(guest.identity, Identity)}
    keys = {guest.identity.key_id for guest in guests if isinstance(guest.identity, ApiIdentity)}
    users = {guest.identity.user_id for guest in guests}
    ended: set[SessionId] = await store.ended_among(sessions, at=now()) if sessions else set()
    revoked = await store.revoked_among(keys) if keys else set()
    inactive = await store.inactive_among(users) if users else set()

    def may_stay(identity: Identity | ApiIdentity) -> bool:
        if identity.user_id in inactive:
            return False
        return identity.session_id not in ended if isinstance(identity, Identity) else identity.key_id not in revoked

    return [guest for guest in guests if not may_stay(guest.identity)]


def _send_away(guests: list[_Guest], why: Leaving) -> None:
    """Each by itself: one whose connection takes nothing must not keep the others here."""
    here = _here()
    for guest in guests:
        if guest in here:
            here.discard(guest)
            leaving = asyncio.create_task(_leave(guest, why), name="leaving")
            _leaving.add(leaving)
            leaving.add_done_callback(_leaving.discard)


async def _leave(guest: _Guest, why: Leaving) -> None:
    with contextlib.suppress(OSError):  # gone already
        await guest.leave(why)
