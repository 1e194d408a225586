"""Signing in with a provider of OpenID Connect, over HTTP.

What browsers open answers with redirects, whatever happens: the page that they come back to reads behind `#` what
became of it (`openid_code`, `openid_link`, `openid_error`).
"""

from http import HTTPStatus
from typing import Annotated, Final

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from ninja import Form, Query, Router
from pymongo.errors import PyMongoError

from accounts import cookies, throttle
from accounts.addresses import throttle_key
from accounts.authentication import SessionAuth, identity_of
from accounts.device_cookie import remember_device
from accounts.devices import device_of
from accounts.granting import granted
from accounts.openid import browsers, flow, people, results
from accounts.openid.answers import Answer
from accounts.openid.errors import AnswerRefused
from accounts.openid.logout import end_all_of_who_left
from accounts.openid.providers import provider_named
from accounts.openid.returns import callback_of, next_of, told
from accounts.openid.schemas import (
    Challenge,
    IdentityList,
    IdentityOut,
    LinkCode,
    LinkStart,
    LinkStartOut,
    OpenidExchange,
    ProviderList,
    identity_list_out,
    identity_out,
    provider_list_out,
)
from accounts.proving import proven_owner
from accounts.schemas import ChallengeOut, GrantOut, OwnersProof
from accounts.tokens import hash_of
from eloquent.foundation.errors import EloquentError, Unavailable
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

log = structlog.get_logger(__name__)

router = Router(tags=["sign-in elsewhere"])
signed_in: Final = SessionAuth()
_REDIRECT: Final = {302: None}
# Each twice is a question of which of the two somebody else has read.
_ONCE: Final = ("state", "code", "iss", "error")


@router.get(
    "/auth/openid/providers",
    response={200: ProviderList, **problems(429)},
    operation_id="list_openid_providers",
    summary="List where else one may sign in",
)
async def list_providers(request: HttpRequest) -> HttpResponse:
    """For the buttons of a sign-in page. Needs no access token."""
    del request
    return json_reply(provider_list_out())


@router.get(
    "/auth/openid/{provider}/start",
    response={**_REDIRECT, **problems(404, 422)},
    operation_id="start_openid_sign_in",
    summary="Sign in with a provider",
)
async def start(
    request: HttpRequest,
    provider: str,
    next: Annotated[str | None, Query(max_length=2000)] = None,  # noqa: A002 - what everybody calls it
    code_challenge: Challenge | None = None,
) -> HttpResponse:
    """For a browser to open: it is sent to the provider, comes back to `callback`, and goes on at `next`.

    `next` is a path on this host, or a page of FRONTEND_URL or ALLOWED_ORIGINS. It is signed in by its refresh cookie
    then. A page on another site, where that cookie is not sent, begins with a `code_challenge` (PKCE, S256) and finds
    `#openid_code=…`, which it exchanges for tokens within a minute. `#openid_error=…` says why nobody was signed in:
    without a `code_challenge` it is `openid_begun_elsewhere` for a link on another site.
    """
    wanted = provider_named(provider)
    next_url = next_of(next, host=request.get_host())
    try:
        if code_challenge is None:  # with one, only the page that has its verifier can come to a session
            browsers.require_begun_here(request)
        await throttle.spend(throttle.OPENID_BY_ADDRESS, throttle_key(device_of(request).address))
        secret = browsers.secret_of(request) or browsers.browser_secret()
        url = await flow.begin(
            wanted,
            redirect_uri=callback_of(request, wanted.name),
            next_url=next_url,
            browser_hash=hash_of(secret),
            code_challenge=code_challenge or "",
        )
    except (EloquentError, PyMongoError) as error:
        return _failed(next_url, error)
    reply = _sent_to(url)
    browsers.remember(request, reply, secret)
    return reply


@router.get(
    "/auth/openid/{provider}/callback",
    response={**_REDIRECT, **problems(404)},
    operation_id="finish_openid_sign_in",
    summary="Come back from a provider",
)
async def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """The address to register with the provider, which sends browsers here."""
    known = provider_named(provider)
    next_url = next_of(None, host=request.get_host())
    device = device_of(request)
    try:
        await throttle.spend(throttle.OPENID_BY_ADDRESS, throttle_key(device.address))
        if any(len(request.GET.getlist(name)) > 1 for name in _ONCE):
            raise AnswerRefused
        answer = Answer(
            state=request.GET.get("state", ""),
            code=request.GET.get("code", ""),
            error=request.GET.get("error", ""),
            issuer=request.GET.get("iss", ""),
        )
        attempt = await flow.take(known, answer.state, browser_hash=browsers.hash_of_browser(request))
        next_url = attempt.next_url
        arrival = await flow.arrive(known, attempt, answer, device=device)
    except (EloquentError, PyMongoError) as error:
        return _failed(next_url, error)
    if arrival.link_code:
        return _sent_to(told(next_url, openid_link=arrival.link_code))
    if arrival.grant is None:
        return _sent_to(told(next_url, openid_code=arrival.code))
    reply = _sent_to(next_url)
    remember_device(request, reply, arrival.grant.user.email)
    cookies.set_refresh_cookie(request, reply, arrival.grant.refresh_token)
    return reply


@router.post(
    "/auth/openid/exchange",
    response={200: GrantOut, 202: ChallengeOut, **problems(401, 403, 422, 429)},
    operation_id="exchange_openid_code",
    summary="Exchange a code for tokens",
)
async def exchange(request: HttpRequest, body: OpenidExchange) -> HttpResponse:
    """For the page that found `#openid_code=…`. The code is good for one minute and one question, right or wrong.

    A user with a second factor is answered 202 with a challenge, as at `/auth/login`.
    """
    if body.cookie:
        cookies.require_own_page(request)
    device = device_of(request)
    await throttle.spend(throttle.OPENID_BY_ADDRESS, throttle_key(device.address))
    outcome = await results.collect(
        body.code,
        browser_hash=browsers.hash_of_browser(request),
        verifier=body.code_verifier or "",
        device=device,
    )
    return await granted(request, outcome, as_cookie=body.cookie, signs_in=True)


@router.post(
    "/auth/openid/{provider}/backchannel-logout",
    response={200: None, **problems(400, 404, 422, 429)},
    operation_id="openid_backchannel_logout",
    summary="Be told that somebody left a provider",
)
async def backchannel_logout(
    request: HttpRequest, provider: str, logout_token: Annotated[str, Form(max_length=40_000)]
) -> HttpResponse:
    """For providers (OpenID Connect Back-Channel Logout 1.0): ends all that lets the user in whom it names."""
    known = provider_named(provider)
    device = device_of(request)
    await throttle.spend(throttle.OPENID_LOGOUT_BY_ADDRESS, throttle_key(device.address))
    await end_all_of_who_left(known, logout_token, device=device)
    return HttpResponse(status=HTTPStatus.OK, content_type="application/json")


@router.get(
    "/me/identities",
    auth=signed_in,
    response={200: IdentityList, **problems(401)},
    operation_id="list_identities",
    summary="List the linked sign-ins",
)
async def list_identities(request: HttpRequest) -> HttpResponse:
    """Oldest first."""
    return json_reply(identity_list_out(await people.identities_of(identity_of(request).user_id)))


@router.post(
    "/me/identities/{provider}/start",
    auth=signed_in,
    response={200: LinkStartOut, **problems(401, 403, 404, 422, 429)},
    operation_id="start_identity_link",
    summary="Begin to link a sign-in",
)
async def start_link(request: HttpRequest, provider: str, body: LinkStart | None = None) -> HttpResponse:
    """Answers the provider's page to open. It leads back to `next` with `#openid_link=…`, for `link_identity`.

    The owner proves it as for a second factor: what is linked opens the account for good.
    """
    identity, asked = identity_of(request), body or LinkStart()
    wanted = provider_named(provider)
    next_url = next_of(asked.next, host=request.get_host())
    await throttle.spend(throttle.OPENID_LINK_BY_USER, str(identity.user_id))
    await proven_owner(identity, asked.evidence(), device=device_of(request))
    url = await flow.begin(wanted, redirect_uri=callback_of(request, wanted.name), next_url=next_url, identity=identity)
    return json_reply({"url": url})


@router.post(
    "/me/identities",
    auth=signed_in,
    response={201: IdentityOut, **problems(401, 409, 422, 429)},
    operation_id="link_identity",
    summary="Link a sign-in",
)
async def link_identity(request: HttpRequest, body: LinkCode) -> HttpResponse:
    """For the page that found `#openid_link=…`, in the session that began. The user is told by mail."""
    identity = identity_of(request)
    await throttle.spend(throttle.OPENID_LINK_BY_USER, str(identity.user_id))
    linked = await results.collect_link(body.code, identity, device=device_of(request))
    return json_reply(identity_out(linked), status=201)


@router.delete(
    "/me/identities/{identity_id}",
    auth=signed_in,
    response={204: None, **problems(401, 403, 404, 409, 422, 429)},
    operation_id="unlink_identity",
    summary="Unlink a sign-in",
)
async def unlink_identity(
    request: HttpRequest, identity_id: ObjectIdField, body: OwnersProof | None = None
) -> HttpResponse:
    """It opens the account no more. 409 `last_way_in` when nothing else would. The user is told by mail."""
    evidence = (body or OwnersProof()).evidence()
    await people.unlink(identity_of(request), identity_id, evidence, device=device_of(request))
    return empty_reply()


def _sent_to(url: str) -> HttpResponse:
    return HttpResponseRedirect(url, headers={"Referrer-Policy": "no-referrer"})


def _failed(next_url: str, error: EloquentError | PyMongoError) -> HttpResponse:
    """Back to the page, which is told why by the error's code."""
    if not isinstance(error, EloquentError):
        log.warning("database away", exc_info=error)
        error = Unavailable()
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("openid sign-in failed", code=error.code)
    return _sent_to(told(next_url, openid_error=error.code))
