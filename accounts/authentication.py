"""From a request or a socket to who is asking.

A request's first cost is its token: verified once (about 0.1 ms) and remembered, as long as the key that signed it is
in force (`accounts.keyring`); its second is whether the session
still lives, see `accounts.liveness`. With both known, letting a request in is two look-ups in dictionaries and waits
for nothing.
"""

import time
from typing import Final

import msgspec
from bson import ObjectId
from django.http import HttpRequest
from ninja.security.base import AuthBase
from pymongo.errors import PyMongoError

from accounts import keyring, liveness, store
from accounts.limits import gate
from accounts.tokens import Claims, TokenError, UnknownKey, hash_of
from eloquent.foundation.callers import note_caller
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotSignedIn, Unavailable

_SCHEME: Final = "bearer "


class Identity(msgspec.Struct, frozen=True):
    """Who is asking: a user, and which of their signed-in devices."""

    user_id: ObjectId
    session_id: ObjectId


class SessionAuth(AuthBase):
    """Ninja's `auth=`: takes `Authorization: Bearer <access token>`; `request.auth` is then the Identity.

    Raises NotSignedIn for a token that is missing, not ours, expired, or whose session was ended, and Throttled for
    a user who asks too often, or an address from which too many come that are not let in.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815 - ninja copies the name into the OpenAPI document

    def __init__(self) -> None:
        super().__init__()
        self.is_async = True  # ninja otherwise calls us in a thread

    async def __call__(self, request: HttpRequest) -> Identity:
        """The identity of this request."""
        header: str = request.META.get("HTTP_AUTHORIZATION", "")
        try:
            if header[: len(_SCHEME)].lower() != _SCHEME:
                raise NotSignedIn
            identity = await identity_of_access_token(header[len(_SCHEME) :].strip())
        except NotSignedIn:
            gate.count_stranger(request)
            raise
        note_caller(request, identity.user_id)
        gate.count_user(request, identity.user_id)
        return identity


def identity_of(request: HttpRequest) -> Identity:
    """Who asks, on a route behind SessionAuth."""
    identity: Identity = request.auth  # type: ignore[attr-defined]  # set by ninja
    return identity


async def identity_of_access_token(token: str) -> Identity:
    """Who the access token lets in right now.

    Raises:
        NotSignedIn: nobody.
        Unavailable: the database does not answer, and nobody is let in unseen.
    """
    try:
        try:
            claims = keyring.verified(token)
        except UnknownKey:
            # Another process may sign with a key that was made a moment ago.
            await _learn_keys()
            claims = keyring.verified(token)
    except TokenError:
        # No cause: a stranger's garbage is not worth a traceback in the log.
        raise NotSignedIn("The access token is not valid. Sign in again.") from None
    if claims.expires_at_s <= time.time():
        raise NotSignedIn("The access token has expired. Refresh it.")
    if not await _still_holds(claims):
        raise NotSignedIn("This session has ended. Sign in again.")
    return Identity(claims.user_id, claims.session_id)


async def identity_of_ticket(ticket: str) -> Identity:
    """Who the one-use socket ticket lets in; the ticket is used up, whatever comes of it.

    Raises:
        NotSignedIn: unknown, used or older than 30 seconds, or its session has ended.
        Unavailable: the database does not answer.
    """
    try:
        taken = await store.take_ticket(hash_of(ticket))
        if taken is None or taken.expires_at <= now():
            raise NotSignedIn("The socket ticket is not valid any more. Ask for another.")
        if await store.token_version_in_force(taken.user_id, taken.session_id) is None:
            raise NotSignedIn("This session has ended. Sign in again.")
    except PyMongoError as error:
        raise Unavailable from error
    return Identity(taken.user_id, taken.session_id)


async def may_stay(identity: Identity) -> bool:
    """Whether a socket that was let in as this identity may stay open: session living and user active.

    Sockets ask at each request and now and then, so that a lost notice does not leave them open. The answer is at most
    a second old.
    """
    return await liveness.lives(identity.user_id, identity.session_id)


async def _still_holds(claims: Claims) -> bool:
    known = liveness.known_to_hold(claims)
    if known is not None:
        return known
    try:
        return await liveness.holds(claims)
    except PyMongoError as error:
        raise Unavailable from error


async def _learn_keys() -> None:
    try:
        await keyring.learn()
    except PyMongoError as error:
        raise Unavailable from error
