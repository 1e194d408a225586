"""What every response of both roads has: a request id, security headers, a line in the log. CORS on the request road.

One pass for all of it: each further middleware would cost a coroutine and two guards per request.
"""

import logging
import re
import secrets
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, TypeAlias

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core import signals
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from accounts.device_cookie import remember_device
from accounts.devices import address_of, device_of, device_var
from accounts.limits.headers import NAMES as LIMIT_HEADERS
from chat.openai_errors import openai_reply
from eloquent import request_telemetry
from eloquent.foundation import content_security
from eloquent.foundation.callers import caller_of
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import EloquentError, Forbidden, NotFound, PayloadTooLarge
from eloquent.foundation.logs import request_id_of, request_id_var
from eloquent.problem_replies import problem_reply
from eloquent.strangers import count_if_stranger

GetResponse: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

# Health checks come every few seconds from every balancer.
_NOT_LOGGED: Final = frozenset({"/healthz", "/readyz"})
_SIGNED: Final = re.compile(r"(/attachments/[^/]+/content/).+")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}").fullmatch
# nginx's number for a client that left before its answer.
_CLIENT_LEFT: Final = 499
_SERVER_FAULT: Final = 500

_ALLOWED_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
# user-agent and the AI SDK's own: its transports send them from browsers.
_ALLOWED_HEADERS: Final = (
    "authorization, content-type, idempotency-key, last-event-id, user-agent, x-ai-sdk-version, x-request-id"
)
_EXPOSED_HEADERS: Final = ", ".join(
    (
        "content-disposition",
        "x-request-id",
        "x-run-id",
        "x-vercel-ai-ui-message-stream",
        "retry-after",
        *LIMIT_HEADERS,
    )
)
_PREFLIGHT_KEPT_S: Final = "600"
# No page of ours needs any of them, and none shows another's page that might.
_PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        *("browsing-topics", "camera", "display-capture", "geolocation", "hid", "microphone", "midi", "payment"),
        *("serial", "usb"),
    )
)

log = structlog.get_logger(__name__)
access_log = logging.getLogger("eloquent.access")


class MalformedRequest(EloquentError):
    """HTTP that cannot be understood."""

    code = "bad_request"
    status = 400
    sentence = "The request cannot be understood."


class MethodNotAllowed(EloquentError):
    """The path is right and the verb is not; `Allow` names those that are, where the view said so."""

    code = "method_not_allowed"
    status = 405
    sentence = "This method is not allowed here."


def _method_not_allowed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    refusal = _refusal(request, MethodNotAllowed())
    if "Allow" in response.headers:
        refusal["Allow"] = response.headers["Allow"]
    return refusal


def _refusal(request: HttpRequest, error: EloquentError) -> HttpResponse:
    """The error in the shape of the interface that was asked: OpenAI's below `/v1`, else problem+json."""
    return openai_reply(error) if f"{request.path_info}/".startswith("/v1/") else problem_reply(error)


def problem_response(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """The answer to an exception that nothing handled; what is not expected is logged and not shown."""
    if isinstance(error, EloquentError):
        expected = error
    elif isinstance(error, Http404):
        expected = NotFound("There is nothing at this address.")
    elif isinstance(error, PermissionDenied):
        expected = Forbidden()
    elif isinstance(error, RequestDataTooBig):
        expected = PayloadTooLarge(f"{error}.")
    elif isinstance(error, BadRequest):
        expected = MalformedRequest(f"{error}.")
    elif isinstance(error, SuspiciousOperation | MultiPartParserError):
        # Their words are for us: they may repeat what was sent.
        expected = MalformedRequest()
    else:
        signals.got_request_exception.send(sender=None, request=request)
        expected = EloquentError()
    if expected is error and expected.status >= _SERVER_FAULT:
        log.warning("request failed", code=expected.code, status=expected.status, exc_info=error)
    elif expected.status >= _SERVER_FAULT:
        log.error("unexpected failure", method=request.method, route=_route(request), exc_info=error)
    return _refusal(request, expected)


def request_road(get_response: GetResponse) -> GetResponse:
    """The request road's middleware: request id, log line, limits, security headers, no-store, CORS."""
    security_headers = _security_headers()
    allowed_origins = frozenset(get_config().allowed_origins)

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id(request)
        started = perf_counter()
        # Not reset at the end: the context is this request's own, and a stream goes on after this returns.
        request_id_var.set(request_id)
        request_telemetry.begun(request)
        origin = request.META.get("HTTP_ORIGIN")
        if origin is not None and _is_preflight(request):
            response: HttpResponseBase = _preflight_response(allowed=origin in allowed_origins)
        else:
            try:
                refusal = count_if_stranger(request)
                response = await get_response(request) if refusal is None else _refusal(request, refusal)
            except CancelledError:
                _client_left(request, started)
                raise
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                response = _method_not_allowed(request, response)
        headers: Any = response.headers
        headers["X-Request-ID"] = request_id
        if allowed_origins:
            _vary_by_origin(response)
            if origin in allowed_origins:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Allow-Credentials"] = "true"
                headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        _add_missing(response, security_headers)
        _tell_limits(request, response)
        request_telemetry.answered(request, response.status_code, (perf_counter() - started) * 1000)
        _log_response(request, response, started)
        return response

    return markcoroutinefunction(middleware)


class DeskRoadMiddleware:
    """The same for Django's own handler: request id, security headers, log line. First in `MIDDLEWARE`.

    Runs in either mode, so that it adds no change of thread wherever Django puts it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._security_headers = _security_headers()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer the request, or a coroutine that does."""
        if self._is_async:
            return self._answer(request)
        started = self._open(request)
        return self._finish(request, self._get_response(request), started)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        started = self._open(request)
        try:
            response = await self._get_response(request)
        except CancelledError:
            _client_left(request, started)
            raise
        return self._finish(request, response, started)

    def _open(self, request: HttpRequest) -> float:
        request_id_var.set(_request_id(request))
        request_telemetry.begun(request)
        device_var.set(device_of(request))
        return perf_counter()

    def _finish(self, request: HttpRequest, response: HttpResponseBase, started: float) -> HttpResponseBase:
        headers: Any = response.headers
        headers["X-Request-ID"] = request_id_of() or ""
        if content_security.HEADER not in headers:
            headers[content_security.HEADER] = content_security.page_policy(request, response)
        _add_missing(response, self._security_headers)
        if (email := getattr(request, "device_known_to", None)) is not None:
            remember_device(request, response, email)
        if getattr(request, "signed_out", False):
            # The console's pages, and what was searched for in it; not cookies, by which the device is known again.
            headers["Clear-Site-Data"] = '"cache", "storage"'
        request_telemetry.answered(request, response.status_code, None)
        _log_response(request, response, started)
        return response


def _request_id(request: HttpRequest) -> str:
    """The id that came with the request if it is harmless, else a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID")
    return given if given is not None and _REQUEST_ID(given) else secrets.token_hex(16)


def _security_headers() -> dict[str, tuple[str, str]]:
    headers = {
        content_security.HEADER: content_security.DATA,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Static files say themselves how long they may be kept. Nothing else may be, unless its view says so.
        "Cache-Control": "no-store",
    }
    if get_config().strict:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains; preload"
    return {name.lower(): (name, value) for name, value in headers.items()}


def _add_missing(response: HttpResponseBase, headers: dict[str, tuple[str, str]]) -> None:
    """Set what the view has not set itself.

    Into the store below `response.headers`: its own setter encodes each constant twice to see that it is valid, which
    for these is a measurable part of a short request.
    """
    store = response.headers._store  # noqa: SLF001
    for key, pair in headers.items():
        store.setdefault(key, pair)


def _tell_limits(request: HttpRequest, response: HttpResponseBase) -> None:
    """Say where the caller stands, unless a refusal says it of a limit of its own."""
    told = getattr(request, "limits_told", None)
    if told is not None:
        store = response.headers._store  # noqa: SLF001 - as above
        for key, pair in told:
            store.setdefault(key, pair)


def _is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


def _preflight_response(*, allowed: bool) -> HttpResponse:
    """The answer to a browser's question before the request; without grants when the origin is not ours."""
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = _ALLOWED_METHODS
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = _PREFLIGHT_KEPT_S
    return response


def _vary_by_origin(response: HttpResponseBase) -> None:
    if "Vary" in response.headers:
        patch_vary_headers(response, ["Origin"])
    else:
        response.headers["Vary"] = "Origin"


def _route(request: HttpRequest) -> str | None:
    """The route's template: one name for all ids, and no ids in the log."""
    match = request.resolver_match
    return None if match is None else f"/{match.route}"


def _log_response(request: HttpRequest, response: HttpResponseBase, started: float) -> None:
    """Write the request's line: now, or for a stream when it has ended."""
    if response.streaming:
        request_id = request_id_of()

        def at_its_end() -> None:
            # Django closes a response outside of the context in which it was made.
            request_id_var.set(request_id)
            request_telemetry.resumed(request)
            _ended(request, response.status_code, started, stream=True)

        # Closed by either handler when the stream has ended, whichever way.
        response._resource_closers.append(at_its_end)  # type: ignore[attr-defined]  # noqa: SLF001
    else:
        fields: dict[str, Any] = {"bytes": len(response.content)}  # type: ignore[attr-defined]
        refusal = getattr(response, "refusal", None)
        if refusal is not None:
            fields["code"] = refusal
        _ended(request, response.status_code, started, **fields)


def _client_left(request: HttpRequest, started: float) -> None:
    request_telemetry.answered(request, _CLIENT_LEFT, None)
    _ended(request, _CLIENT_LEFT, started)


def _ended(request: HttpRequest, status: int, started: float, **fields: Any) -> None:
    if request.path not in _NOT_LOGGED:
        _write_line(request, status, started, **fields)
    request_telemetry.ended(request, status, _route(request))


def _write_line(request: HttpRequest, status: int, started: float, **fields: Any) -> None:
    """What was asked, by whom, from where, and what came of it. Of people nothing but an id and the address."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    route = _route(request)
    fields |= {"method": request.method, "route": route, "status": status}
    if route is None:
        # What follows a content's address may be its signature, which opens it.
        fields["path"] = _SIGNED.sub(r"\1…", request.path)[:200]
    caller = caller_of(request)
    if caller is not None:
        fields["user"] = str(caller.user_id)
        if caller.key_id is not None:
            fields["key"] = str(caller.key_id)
    fields["address"] = address_of(request)
    fields["ms"] = round((perf_counter() - started) * 1000, 2)
    # The record itself: the usual way in looks through the stack for the caller, for each request.
    access_log.handle(
        access_log.makeRecord(access_log.name, logging.INFO, "", 0, "request", (), None, None, {"fields": fields})
    )
