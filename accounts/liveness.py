"""Whether access tokens still open the door, asked of the database at most once a second for each session.

A signed-in request costs no database read as long as another one of its session came within the last second. Access
that is taken away in this process ends at once (`forget`), in another one within LIFETIME_S.
"""

import asyncio
import time
from typing import Final

import msgspec

from accounts import store
from accounts.tokens import Claims
from eloquent.foundation.ids import SessionId, UserId

LIFETIME_S: Final = 1.0


class _Known(msgspec.Struct, frozen=True):
    user_id: UserId
    token_version: int | None  # None: the session has ended, or its user may not come in
    until: float  # by the monotonic clock


# In the order of their ends, so the outdated are found at the front.
_known: dict[SessionId, _Known] = {}
_reading: dict[SessionId, asyncio.Task[int | None]] = {}


def known_to_hold(claims: Claims) -> bool | None:
    """The answer if it is known from the last second, else None: ask `holds`."""
    known = _known.get(claims.session_id)
    if known is None or known.until < time.monotonic():
        return None
    if known.token_version is None:
        return False
    if known.token_version < claims.token_version:
        return None  # the token was signed after we asked: what we know is from before a change of password
    return known.token_version == claims.token_version


async def holds(claims: Claims) -> bool:
    """Whether a verified access token is still good: session living, user active, token version in force.

    Raises:
        pymongo.errors.PyMongoError: the database did not answer; nobody is let in on what was known before.
    """
    version = await _token_version(claims.user_id, claims.session_id)
    if version is not None and version < claims.token_version:
        # We joined a read that began before the change which this token comes from.
        version = await _token_version(claims.user_id, claims.session_id)
    return version == claims.token_version


async def lives(user_id: UserId, session_id: SessionId) -> bool:
    """Whether the session lives and its user may come in, for those who were let in without an access token.

    Raises:
        pymongo.errors.PyMongoError: the database did not answer.
    """
    known = _known.get(session_id)
    if known is not None and known.until >= time.monotonic():
        return known.token_version is not None
    return await _token_version(user_id, session_id) is not None


def forget(*session_ids: SessionId) -> None:
    """Ask the database anew at the next request of these sessions."""
    for session_id in session_ids:
        _known.pop(session_id, None)
        # A read in flight may have seen the session alive: whoever asks from now on starts another.
        _reading.pop(session_id, None)


def forget_user(user_id: UserId) -> None:
    """Ask the database anew at the next request of any session of this user: their account changed as a whole."""
    # A read in flight is of whoever asks: the few that are come to their own conclusion a moment later.
    forget(*[session_id for session_id, known in _known.items() if known.user_id == user_id], *_reading)


async def _token_version(user_id: UserId, session_id: SessionId) -> int | None:
    """One read for all who ask at the same moment; it goes on when the one who started it is cancelled."""
    task = _reading.get(session_id)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _reading[session_id] = asyncio.create_task(_read(user_id, session_id))
        task.add_done_callback(lambda done: _finished(session_id, done))
    return await asyncio.shield(task)


async def _read(user_id: UserId, session_id: SessionId) -> int | None:
    # Counted from before the read, so that no answer is ever used later than LIFETIME_S after it was true.
    until = time.monotonic() + LIFETIME_S
    version = await store.token_version_in_force(user_id, session_id)
    if _reading.get(session_id) is asyncio.current_task():
        _remember(session_id, _Known(user_id, version, until))
    return version


def _finished(session_id: SessionId, task: asyncio.Task[int | None]) -> None:
    if _reading.get(session_id) is task:
        del _reading[session_id]
    if not task.cancelled():
        task.exception()  # fetched here: when everyone who waited has left, nobody else does


def _remember(session_id: SessionId, known: _Known) -> None:
    _known.pop(session_id, None)
    _known[session_id] = known
    now = time.monotonic()
    for outdated in [key for key, _ in zip(_known, range(2), strict=False) if _known[key].until < now]:
        del _known[outdated]
