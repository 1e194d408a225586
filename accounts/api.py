"""Accounts over HTTP: registering, signing in and out, sessions, the own profile, socket tickets, the public keys."""

from typing import Final

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import cookies, given_passwords, sessions, signing_in, throttle, tickets, users
from accounts.addresses import throttle_key
from accounts.authentication import SessionAuth, identity_of
from accounts.device_cookie import device_tokens_of
from accounts.devices import device_of
from accounts.errors import PasswordGiven, RefreshRefused, WrongCredentials
from accounts.granting import granted
from accounts.key_schedule import JWKS_KEPT_S
from accounts.keyring import key_ring
from accounts.life.errors import EmailNotVerified
from accounts.life.registering import register as register_user
from accounts.life.schemas import VerificationSent
from accounts.limits import guessing
from accounts.positions import cursor_after, position_of
from accounts.schemas import (
    ChallengeOut,
    Credentials,
    GrantOut,
    NameChange,
    NewUser,
    OwnPassword,
    PasswordChange,
    RefreshTokenIn,
    SessionPage,
    TicketOut,
    UserOut,
    session_page_out,
    user_out,
)
from eloquent.foundation.errors import Conflict, InvalidInput
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

signed_in: Final = SessionAuth()
router = Router(tags=["accounts"])


@router.post(
    "/auth/register",
    response={201: GrantOut, 202: VerificationSent, **problems(403, 409, 422, 429)},
    operation_id="register",
    summary="Register",
)
async def register(request: HttpRequest, body: NewUser) -> HttpResponse:
    """A new user, signed in. 409 `email_taken` when there is one with this email.

    Where emails are proven first: 202 without tokens, whether it is taken or not; a letter tells how it goes on.
    """
    if body.cookie:
        cookies.require_own_page(request)
    device = device_of(request)
    await throttle.spend(throttle.REGISTER_BY_ADDRESS, throttle_key(device.address))
    outcome = await register_user(body.email, body.password, name=body.name, invitation=body.invitation, device=device)
    if outcome is None:
        return json_reply({"email": body.email, "verification": "sent"}, status=202)
    return await granted(request, outcome, as_cookie=body.cookie, status=201, signs_in=True)


@router.post(
    "/auth/login",
    response={200: GrantOut, 202: ChallengeOut, **problems(401, 403, 422, 429)},
    operation_id="sign_in",
    summary="Sign in",
)
async def sign_in(request: HttpRequest, body: Credentials) -> HttpResponse:
    """401 `wrong_credentials` for an unknown email and for a wrong password alike.

    A user with a second factor is answered 202 with a challenge: answer it at `/auth/second-factor`. A password that
    staff made up is answered 403 `password_change_required`: exchange it at `/auth/password/own`.

    Wrong passwords slow the next tries down, and lock them for a while (429, `Retry-After`): those of strangers
    together, and by itself each device and address from which the account was used before. Send the `device_token` of
    an earlier sign-in, or the cookie in its place, to be one of those.
    """
    if body.cookie:
        cookies.require_own_page(request)
    device = device_of(request)
    attempt = await guessing.begin(body.email, device, device_tokens_of(request, body.device_token))
    try:
        outcome = await signing_in.sign_in(body.email, body.password, device=device)
    except WrongCredentials:
        await attempt.failed()
        raise
    except (EmailNotVerified, PasswordGiven):
        await attempt.succeeded()  # the password was right
        raise
    await attempt.succeeded()
    return await granted(request, outcome, as_cookie=body.cookie, signs_in=True)


@router.post(
    "/auth/password/own",
    response={200: GrantOut, 202: ChallengeOut, **problems(401, 403, 409, 422, 429)},
    operation_id="set_own_password",
    summary="Set an own password in the place of a given one, and sign in",
)
async def set_own_password(request: HttpRequest, body: OwnPassword) -> HttpResponse:
    """For whoever was answered 403 `password_change_required` at `/auth/login`: staff made the password up.

    It can be exchanged for a week, once. 401 `wrong_credentials` for a wrong password and for one that is not such
    alike; guesses are counted with those at `/auth/login`. All sessions of the account end, this one begins.
    """
    if body.cookie:
        cookies.require_own_page(request)
    device = device_of(request)
    attempt = await guessing.begin(body.email, device, device_tokens_of(request, body.device_token))
    try:
        outcome = await given_passwords.set_own_password(
            body.email, given=body.given_password, new=body.new_password, device=device
        )
    except WrongCredentials:
        await attempt.failed()
        raise
    except (InvalidInput, Conflict, EmailNotVerified):
        await attempt.succeeded()  # the given password was right
        raise
    await attempt.succeeded()
    return await granted(request, outcome, as_cookie=body.cookie, signs_in=True)


@router.post(
    "/auth/refresh",
    response={200: GrantOut, **problems(401, 403, 422)},
    operation_id="refresh_tokens",
    summary="Exchange a refresh token for a fresh pair",
)
async def refresh_tokens(request: HttpRequest, body: RefreshTokenIn | None = None) -> HttpResponse:
    """Takes the token of the body, else the cookie, and answers the same way.

    Each token is good once. A second use within 10 s answers the same next token; a later one ends the session.
    """
    token = body.refresh_token if body else None
    as_cookie = bool(body and body.cookie)
    if token is None:
        token = cookies.refresh_cookie_of(request)
        as_cookie = True
    elif as_cookie:
        cookies.require_own_page(request)
    if token is None:
        raise RefreshRefused
    grant = await sessions.rotate_refresh_token(token, device=device_of(request))
    return await granted(request, grant, as_cookie=as_cookie)


@router.post(
    "/auth/logout",
    response={204: None, **problems(401, 403, 422)},
    operation_id="sign_out",
    summary="Sign out",
    openapi_extra={"security": [{"SessionAuth": []}, {}]},
)
async def sign_out(request: HttpRequest, body: RefreshTokenIn | None = None) -> HttpResponse:
    """Ends the session of the access token, or without one that of the refresh token in the body or the cookie.

    So a page can sign out after its access token has expired. The cookie is dropped, and the browser told to forget
    what it keeps of answers (`Clear-Site-Data`).
    """
    if "HTTP_AUTHORIZATION" in request.META:
        await sessions.sign_out(await signed_in(request), device=device_of(request))
    else:
        token = (body.refresh_token if body else None) or cookies.refresh_cookie_of(request)
        if token is None:
            raise RefreshRefused
        await sessions.end_session_of_refresh_token(token, device=device_of(request))
    return _signed_out(request)


@router.post(
    "/auth/password/change",
    auth=signed_in,
    response={200: GrantOut, **problems(401, 403, 409, 422, 429)},
    operation_id="change_password",
    summary="Change the password",
)
async def change_password(request: HttpRequest, body: PasswordChange) -> HttpResponse:
    """All other sessions end; this one gets a fresh pair of tokens. 422 `wrong_password` for a wrong current one.

    An account that has no password yet is given one, if it signed in within the last ten minutes.
    """
    if body.cookie:
        cookies.require_own_page(request)
    identity = identity_of(request)
    await throttle.spend(throttle.CHANGE_PASSWORD_BY_USER, str(identity.user_id))
    grant = await users.change_password(identity, body.new_password, body.evidence(), device=device_of(request))
    return await granted(request, grant, as_cookie=body.cookie)


@router.get(
    "/auth/sessions",
    auth=signed_in,
    response={200: SessionPage, **problems(401, 422)},
    operation_id="list_sessions",
    summary="List the signed-in devices",
)
async def list_sessions(request: HttpRequest, cursor: Cursor = None, limit: PageSize = 30) -> HttpResponse:
    """Newest first, those alone that can still be used."""
    identity = identity_of(request)
    found = await sessions.sessions_of(identity.user_id, after=position_of(cursor), limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    next_cursor = cursor_after(page[-1].created_at, page[-1].id) if more else None
    return json_reply(session_page_out(page, current=identity.session_id, next_cursor=next_cursor))


@router.delete(
    "/auth/sessions",
    auth=signed_in,
    response={204: None, **problems(401, 422)},
    operation_id="end_other_sessions",
    summary="Sign out all other devices",
)
async def end_other_sessions(request: HttpRequest, all: bool = False) -> HttpResponse:  # noqa: A002 - the query's word
    """Their tokens are refused within a second everywhere, and their sockets are closed. With `all`, this one's too."""
    identity, device = identity_of(request), device_of(request)
    if not all:
        await sessions.end_other_sessions(identity, device=device)
        return empty_reply()
    await sessions.end_all_sessions(identity.user_id, device=device)
    return _signed_out(request)


@router.delete(
    "/auth/sessions/{session_id}",
    auth=signed_in,
    response={204: None, **problems(401, 404, 422)},
    operation_id="end_session",
    summary="Sign out one device",
)
async def end_session(request: HttpRequest, session_id: ObjectIdField) -> HttpResponse:
    """Its tokens are refused within a second everywhere, and its sockets are closed."""
    await sessions.end_session(identity_of(request).user_id, session_id, device=device_of(request))
    return empty_reply()


@router.post(
    "/auth/socket-ticket",
    auth=signed_in,
    response={201: TicketOut, **problems(401, 429)},
    operation_id="issue_socket_ticket",
    summary="Get leave to open a socket",
)
async def issue_socket_ticket(request: HttpRequest) -> HttpResponse:
    """Good for one socket within 30 seconds."""
    identity = identity_of(request)
    ticket = await tickets.issue_ticket(identity)
    return json_reply({"ticket": ticket, "expires_in": tickets.TICKET_LIFETIME_S}, status=201)


@router.get(
    "/me",
    auth=signed_in,
    response={200: UserOut, **problems(401)},
    operation_id="read_me",
    summary="Read the own account",
)
async def read_me(request: HttpRequest) -> HttpResponse:
    """Who is signed in."""
    return json_reply(user_out(await users.user_of(identity_of(request))))


@router.patch(
    "/me",
    auth=signed_in,
    response={200: UserOut, **problems(401, 422)},
    operation_id="change_me",
    summary="Change the own name",
)
async def change_me(request: HttpRequest, body: NameChange) -> HttpResponse:
    """The account under its new name, which may be empty."""
    return json_reply(user_out(await users.rename_user(identity_of(request).user_id, body.name)))


async def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys that verify access tokens, as a JWK Set (RFC 7517). Any program may read and keep it."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    return HttpResponse(
        orjson.dumps(key_ring().jwks()),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": f"public, max-age={JWKS_KEPT_S}"},
    )


def _signed_out(request: HttpRequest) -> HttpResponse:
    reply = empty_reply()
    # Pages that a browser would show again when one goes back. Not its storage: it has the page's look and no more.
    reply["Clear-Site-Data"] = '"cache"'
    if cookies.is_from_own_page(request):
        cookies.drop_refresh_cookie(reply)
    return reply
