"""Signed-in devices: opened, kept alive, listed, ended.

A session is opened by a password and kept alive by its refresh token, which changes at every use. Whoever presents a
token that was already exchanged is not the owner, or the owner was not the only one who had it: the session ends.

Two tabs, and a client whose answer got lost, present the same token at nearly the same moment and are no thieves. So
for GRACE the token before the current one is answered with the *same* successor as the first time: both tabs hold the
one living token and neither ends the other's session at its next refresh. The successor is not kept in clear, see
`accounts.tokens.seal`.
"""

import hmac
import time
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from bson import ObjectId

from accounts import liveness, notices, store
from accounts.authentication import Identity
from accounts.devices import Device, device_label
from accounts.errors import RefreshRefused, WrongCredentials
from accounts.keyring import key_ring
from accounts.tokens import ACCESS_TOKEN_S, RefreshToken, TokenError, seal, unseal
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotFound, NotSignedIn
from eloquent.foundation.ids import SessionId, UserId

log = structlog.get_logger(__name__)

# Counted from the last refresh.
SESSION_LIFETIME: Final = timedelta(days=30)
GRACE: Final = timedelta(seconds=10)
MAX_USER_AGENT_CHARS: Final = 512


class Grant(msgspec.Struct, frozen=True):
    """What a client needs to go on: its user and a fresh pair of tokens."""

    user: store.User
    access_token: str
    refresh_token: str
    expires_in_s: int = ACCESS_TOKEN_S


async def open_session(user: store.User, *, device: Device) -> Grant:
    """A new session of a user who has just proved who they are.

    Raises:
        WrongCredentials: the proof was overtaken by a change of password or a deactivation.
    """
    at = now()
    token = RefreshToken.first(ObjectId())
    await store.add_session(
        store.Session(
            id=token.session_id,
            user_id=user.id,
            refresh_hash=token.hash,
            lineage_hash=token.lineage_hash,
            rotated_at=at,
            created_at=at,
            last_seen_at=at,
            expires_at=at + SESSION_LIFETIME,
            ip=device.address,
            user_agent=device.user_agent[:MAX_USER_AGENT_CHARS],
            label=device_label(device.user_agent),
        )
    )
    # A change of password ends all sessions that it finds. Comparing a password takes long enough for one to pass by
    # before this session could be found, so the user is looked at again now that it can.
    if await store.token_version_in_force(user.id, token.session_id) != user.token_version:
        await store.end_session(user.id, token.session_id, at=now())
        raise WrongCredentials
    return _grant(user, token)


async def rotate_refresh_token(text: str) -> Grant:
    """Exchange a refresh token for a fresh pair.

    Raises:
        RefreshRefused: the token lets nobody in. When it is a real one that was exchanged before, its session has now
            ended.
    """
    token = _parsed(text)
    session = await _living_session_of(token)
    user = await store.user_by_id(session.user_id)
    if user is None or not user.is_active:
        raise RefreshRefused
    if hmac.compare_digest(session.refresh_hash, token.hash):
        successor, at = token.next(), now()
        rotated = await store.rotate_session(
            session.id,
            store.Rotation(
                from_hash=token.hash,
                to_hash=successor.hash,
                successor=seal(successor, behind=token),
                at=at,
                expires_at=at + SESSION_LIFETIME,
            ),
        )
        if rotated:
            return _grant(user, successor)
        session = await _living_session_of(token)  # another tab was first: see what it left
    if hmac.compare_digest(session.previous_hash, token.hash) and now() - session.rotated_at <= GRACE:
        return _grant(user, unseal(session.successor, behind=token))
    log.warning("refresh token used again: its session ends", user=str(user.id), session=str(session.id))
    await _end(user.id, session.id)
    raise RefreshRefused


async def restart_session(user: store.User, session_id: SessionId) -> Grant:
    """A fresh pair for the user's session, whose earlier refresh tokens from now on mean nothing at all.

    Raises:
        NotSignedIn: the session has ended meanwhile.
    """
    at, token = now(), RefreshToken.first(session_id)
    lives = await store.restart_lineage(
        session_id, refresh_hash=token.hash, lineage_hash=token.lineage_hash, at=at, expires_at=at + SESSION_LIFETIME
    )
    liveness.forget(session_id)
    if not lives:
        raise NotSignedIn
    return _grant(user, token)


async def sessions_of(owner: UserId, *, after: store.Position | None, limit: int) -> list[store.Session]:
    """The owner's living sessions, newest first, those after the position."""
    return await store.living_sessions_of(owner, at=now(), after=after, limit=limit)


async def end_session(owner: UserId, session_id: SessionId) -> None:
    """End one session of the owner: its tokens and sockets.

    Raises:
        NotFound: no living session with this id, or another user's: the caller cannot tell which.
    """
    if not await _end(owner, session_id):
        raise NotFound


async def end_session_of_refresh_token(text: str) -> None:
    """End the session that this refresh token is of, current or outdated.

    Raises:
        RefreshRefused: the token is not a living session's.
    """
    session = await _living_session_of(_parsed(text))
    await _end(session.user_id, session.id)


async def end_other_sessions(identity: Identity) -> None:
    """End all sessions of the user but the one that asks."""
    ended = await store.end_sessions_of(identity.user_id, at=now(), keep=identity.session_id)
    liveness.forget(*ended)
    await notices.tell_sessions_ended(ended)


async def _end(owner: UserId, session_id: SessionId) -> bool:
    ended = await store.end_session(owner, session_id, at=now())
    liveness.forget(session_id)
    if ended:
        await notices.tell_sessions_ended([session_id])
    return ended


async def _living_session_of(token: RefreshToken) -> store.Session:
    session = await store.session_by_id(token.session_id)
    if session is None or not hmac.compare_digest(session.lineage_hash, token.lineage_hash):
        raise RefreshRefused
    if session.revoked_at is not None or session.expires_at <= now():
        raise RefreshRefused
    return session


def _parsed(text: str) -> RefreshToken:
    try:
        return RefreshToken.parse(text)
    except TokenError:
        raise RefreshRefused from None


def _grant(user: store.User, token: RefreshToken) -> Grant:
    access_token = key_ring().sign(
        user_id=user.id, session_id=token.session_id, token_version=user.token_version, now_s=time.time()
    )
    return Grant(user, access_token, token.text)
