"""What traces and metrics say of a request over HTTP: its class, its span, how it was answered."""

import re
from typing import Any, Final

from django.http import HttpRequest

from eloquent.foundation.callers import caller_of
from eloquent.foundation.logs import request_id_of
from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.spans import Kind, Span, current_span, is_tracing, root_span
from eloquent.foundation.telemetry.trace_headers import remote_parent

_SERVER_FAULT: Final = 500
_HEALTH: Final = frozenset({"/healthz", "/readyz"})
_ID: Final = "[^/]+"
# Every route whose answer is a language model's, be it new or read again; a test compares with the OpenAPI document.
_LANGUAGE_MODEL: Final = re.compile(
    rf"/v1/(?:chat/completions|embeddings)|/api/v1/(?:conversations/{_ID}/runs|messages/{_ID}/(?:edit|regenerate|approvals)"
    rf"|runs/{_ID}/stream|ui/chat(?:/{_ID}/stream)?)"
).fullmatch


def traffic_of(path: str) -> Traffic:
    """The class of requests that one to this path is in."""
    if _LANGUAGE_MODEL(path):
        return Traffic.LANGUAGE_MODEL
    return Traffic.HEALTH if path in _HEALTH else Traffic.OTHER


def begun(request: HttpRequest) -> None:
    """The request is here: what is done from now on, in this context, is done for its span."""
    noted: Any = request
    noted.traffic = traffic = traffic_of(request.path_info)
    if is_tracing():
        headers = request.META
        parent = remote_parent(headers.get("HTTP_TRACEPARENT"), headers.get("HTTP_X_AMZN_TRACE_ID"))
        noted.span = root_span(request.method or "", Kind.SERVER, traffic, parent)


def answered(request: HttpRequest, status: int, after_ms: float | None) -> None:
    """Its answer is known, or has begun; `after_ms` is None where nobody measures how long that takes."""
    traffic: Traffic = request.traffic  # type: ignore[attr-defined]
    metrics.request_ended(traffic, status)
    if after_ms is not None and traffic is Traffic.OTHER:
        metrics.request_duration.observe(after_ms)


def resumed(request: HttpRequest) -> None:
    """Something is done for it in a context that is not its own."""
    current_span.set(_span_of(request))


def ended(request: HttpRequest, status: int, route: str | None) -> None:
    """Nothing more is done for it. Of the address the span has the route alone: what else is in it may open things."""
    span = _span_of(request)
    if span is None or not span.sampled:
        return
    if route is not None:
        span.name = f"{request.method} {route}"
    caller = caller_of(request)
    span.note(
        http__request__method=request.method,
        http__route=route,
        http__response__status_code=status,
        enduser__id=None if caller is None else str(caller.user_id),
        eloquent__request_id=request_id_of(),
    )
    if status >= _SERVER_FAULT:
        span.fail(str(status))
    span.end()


def _span_of(request: HttpRequest) -> Span | None:
    span: Span | None = getattr(request, "span", None)
    return span
