"""Signed-in devices: opened, kept alive, listed, ended.

A session is opened by a password and kept alive by its refresh token, which changes at every use, until another
sign-in is due (SESSION_MAX_DAYS). Whoever presents a token that was already exchanged is not the owner, or the owner
was not the only one who had it: the session ends.

Two tabs, and a client whose answer got lost, present the same token at nearly the same moment and are no thieves. So
for GRACE the token before the current one is answered with the *same* successor as the first time: both tabs hold the
one living token and neither ends the other's session at its next refresh. The successor is not kept in clear, see
`accounts.tokens.seal`.
"""

import contextlib
import hmac
import time
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from bson import ObjectId

from accounts import alerts, keyring, liveness, notices, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device, device_label
from accounts.errors import RefreshRefused, WrongCredentials
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


async def open_session(user: store.User, *, device: Device, signed_in_with: str = "") -> Grant:
    """A new session of a user who has just proved who they are, by what `signed_in_with` names.

    The user is told by letter when nobody has signed in from there before.

    Raises:
        WrongCredentials: the proof was overtaken by a change of password or a deactivation.
    """
    at = now()
    token = RefreshToken.first(ObjectId())
    session = store.Session(
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
        country=device.country,
        city=device.city,
        label=device_label(device.user_agent),
        signed_in_with=signed_in_with,
    )
    await store.add_session(session)
    # A change of password ends all sessions that it finds. Comparing a password takes long enough for one to pass by
    # before this session could be found, so the user is looked at again now that it can.
    if await store.token_version_in_force(user.id, token.session_id) != user.token_version:
        await store.end_session(user.id, token.session_id, at=now())
        raise WrongCredentials
    grant = await _grant(user, token)
    await alerts.tell_of_sign_in(user, session)
    return grant


async def rotate_refresh_token(text: str, *, device: Device) -> Grant:
    """Exchange a refresh token for a fresh pair.

    Raises:
        RefreshRefused: the token lets nobody in. When it is a real one that was exchanged before, its session has now
            ended, and its owner is told.
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
            return await _grant(user, successor)
        session = await _living_session_of(token)  # another tab was first: see what it left
    if hmac.compare_digest(session.previous_hash, token.hash) and now() - session.rotated_at <= GRACE:
        return await _grant(user, unseal(session.successor, behind=token))
    log.warning("refresh token used again: its session ends", user=str(user.id), session=str(session.id))
    # Of many who present it at once, one ends the session and tells of it.
    if await _end(user.id, session.id):
        await record(
            Action.REFRESH_TOKEN_REUSED, subject=user.id, device=device, target=_target(session.id), ended_session=True
        )
        await alerts.tell_of_reuse(user, session, device)
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
    return await _grant(user, token)


async def sessions_of(owner: UserId, *, after: store.Position | None, limit: int) -> list[store.Session]:
    """The owner's living sessions, newest first, those after the position."""
    return await store.living_sessions_of(owner, at=now(), after=after, limit=limit)


async def sign_out(identity: Identity, *, device: Device) -> None:
    """End the session that asks: its tokens and sockets.

    Raises:
        NotFound: it has ended meanwhile.
    """
    await _end_one(Action.SIGNED_OUT, identity.user_id, identity.session_id, device)


async def end_session(owner: UserId, session_id: SessionId, *, device: Device | None = None) -> None:
    """End one session of the owner: its tokens and sockets. `device` is where the owner asks for it.

    Raises:
        NotFound: no living session with this id, or another user's: the caller cannot tell which.
    """
    await _end_one(Action.SESSIONS_ENDED, owner, session_id, device)


async def end_session_of_refresh_token(text: str, *, device: Device | None = None) -> None:
    """End the session that this refresh token is of, current or outdated.

    Raises:
        RefreshRefused: the token is not a living session's.
    """
    session = await _living_session_of(_parsed(text))
    with contextlib.suppress(NotFound):  # somebody else was first
        await _end_one(Action.SIGNED_OUT, session.user_id, session.id, device)


async def owner_of_refresh_token(text: str) -> UserId:
    """Whose living session this refresh token is of, current or outdated. It stays as it is.

    Raises:
        RefreshRefused: it is of none.
    """
    return (await _living_session_of(_parsed(text))).user_id


async def end_other_sessions(identity: Identity, *, device: Device | None = None) -> None:
    """End all sessions of the user but the one that asks."""
    await _end_many(identity.user_id, keep=identity.session_id, device=device)


async def end_all_sessions(owner: UserId, *, device: Device | None = None) -> None:
    """End all sessions of the user, the one that asks with them."""
    await _end_many(owner, keep=None, device=device)


async def _end_one(action: Action, owner: UserId, session_id: SessionId, device: Device | None) -> None:
    if not await _end(owner, session_id):
        raise NotFound
    await record(action, actor=owner, subject=owner, device=device, target=_target(session_id))


async def _end_many(owner: UserId, *, keep: SessionId | None, device: Device | None) -> None:
    ended = await store.end_sessions_of(owner, at=now(), keep=keep)
    liveness.forget(*ended)
    await notices.tell_sessions_ended(ended)
    if ended:
        await record(Action.SESSIONS_ENDED, actor=owner, subject=owner, device=device, many=len(ended))


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
    if session.revoked_at is not None or session.ends_at <= now():
        raise RefreshRefused
    return session


def _parsed(text: str) -> RefreshToken:
    try:
        return RefreshToken.parse(text)
    except TokenError:
        raise RefreshRefused from None


def _target(session_id: SessionId) -> str:
    return f"session:{session_id}"


async def _grant(user: store.User, token: RefreshToken) -> Grant:
    await keyring.be_read()
    access_token = keyring.key_ring().sign(
        user_id=user.id, session_id=token.session_id, token_version=user.token_version, now_s=time.time()
    )
    return Grant(user, access_token, token.text)
