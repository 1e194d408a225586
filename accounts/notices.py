"""Tells open sockets, in every process, that their access has ended, or what has happened to their account.

A notice is a courtesy that comes at once. What shuts the door is the session in the database, which every request asks
at most a second late, and `accounts.admitted` for every socket: a lost notice lets nobody in.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
import structlog
from channels.layers import get_channel_layer

from eloquent.foundation.ids import SessionId, UserId

log = structlog.get_logger(__name__)

SESSION_REVOKED: Final = "session.revoked"
ACCOUNT_TOLD: Final = "account.told"
_SEND_TIMEOUT_S: Final = 2.0


class SessionReused(msgspec.Struct, frozen=True, tag_field="type", tag="session-reused"):
    """A refresh token that had been exchanged before was used again: the session was ended. Somebody may have had it.

    `device` is what the session was called, `at` when it ended.
    """

    session_id: str
    device: str
    at: datetime


def session_group(session_id: SessionId) -> str:
    """The channel group that the sockets of one session join."""
    return f"session.{session_id}"


def user_group(user_id: UserId) -> str:
    """The channel group that all sockets of one user join."""
    return f"user.{user_id}"


async def tell_sessions_ended(session_ids: Iterable[SessionId]) -> None:
    """Send `{"type": "session.revoked"}` to the sockets of these sessions. Never raises; failures are logged."""
    await _send([session_group(session_id) for session_id in session_ids], {"type": SESSION_REVOKED})


async def tell_user_ended(user_id: UserId) -> None:
    """Send `{"type": "session.revoked"}` to all sockets of the user. Never raises; failures are logged."""
    await _send([user_group(user_id)], {"type": SESSION_REVOKED})


async def tell_user(user_id: UserId, notice: SessionReused) -> None:
    """Send `{"type": "account.told", "frame": <the notice as JSON>}` to all sockets of the user. Never raises.

    Those that listen to notices pass the frame on, once or, after trouble with Redis, twice.
    """
    await _send([user_group(user_id)], {"type": ACCOUNT_TOLD, "frame": msgspec.json.encode(notice).decode()})


async def _send(groups: list[str], message: dict[str, str]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    # Twice, because a connection from before Redis was restarted fails at its first use. Hearing it twice does no harm.
    for attempt in (1, 2):
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                for group in groups:
                    await layer.group_send(group, message)
        except Exception as error:  # noqa: BLE001 - whatever the layer is made of, the session has ended already
            log.warning("sockets not told", what=message["type"], attempt=attempt, error=repr(error))
        else:
            return
