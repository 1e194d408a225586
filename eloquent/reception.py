"""Taking in a request: its body in memory, within bounds of size and time."""

import asyncio
from io import BytesIO
from typing import Final, NamedTuple

from django.core.exceptions import BadRequest, RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest

from eloquent.departures import Watch
from eloquent.foundation.hosts import host_is_served, path_needs_host
from eloquent.roads import Receive, Scope, Send
from eloquent.surplus import Share

# How long, and how much of, a refused body is read and thrown away so that the client sees the answer.
_LINGER_S: Final = 2.0
_LINGER_BYTES: Final = 8 * 1024 * 1024


class BodyTooSlow(BadRequest):
    """The request's body did not arrive in time."""


class UnknownHost(BadRequest):
    """The request's Host is not one that is served here."""


class RoadRequest(ASGIRequest):
    """A request whose body is in memory before the view runs."""

    fault: Exception | None = None
    """Why no view may see this request (its body is too large, say). Raised in the view's place, so that the answer
    passes through the middleware like any other."""

    watch: Watch | None = None
    """Over the request's client, while it is being served."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        super().__init__(scope, BytesIO(body))
        self._body = body

    def forget_body(self) -> None:
        """Let go of the body, which has been read: a stream may go on for minutes, and there are thousands."""
        self._stream = BytesIO()
        self._body = b""


class Body(NamedTuple):
    """What was read of a request's body."""

    content: bytes = b""
    fault: Exception | None = None
    # The client is still sending it.
    unread: bool = False


class ClientLeft(Exception):
    """The client left before its request was complete."""


async def read_body(
    scope: Scope, receive: Receive, *, max_bytes: int, timeout_s: float, share: Share | None = None
) -> Body:
    """The body, or in its place a fault: longer than `max_bytes`, no room in its `share`, or not there in time.

    Raises:
        ClientLeft: before the body's end.
    """
    if _announced_length(scope) > max_bytes:
        return Body(fault=_too_large(max_bytes), unread=True)
    try:
        async with asyncio.timeout(timeout_s):  # from here on: a body of which nothing ever comes is late, too
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            content = message.get("body", b"")
            if message.get("more_body", False):
                return await _read_rest(bytearray(content), receive, max_bytes, share)
    except TimeoutError:
        return Body(fault=BodyTooSlow(f"Its body did not arrive in {timeout_s:g} s"), unread=True)
    fault = _refusal(len(content), max_bytes, share)
    return Body(content) if fault is None else Body(fault=fault)


async def _read_rest(content: bytearray, receive: Receive, max_bytes: int, share: Share | None) -> Body:
    # One growing array: a list of a million one-byte frames would take fifty times the body's size.
    more = True
    while (fault := _refusal(len(content), max_bytes, share)) is None and more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        content += message.get("body", b"")
        more = message.get("more_body", False)
    return Body(bytes(content)) if fault is None else Body(fault=fault, unread=more)


def _refusal(length: int, max_bytes: int, share: Share | None) -> Exception | None:
    if length > max_bytes:
        return _too_large(max_bytes)
    return None if share is None else share.cover(length)


def _too_large(max_bytes: int) -> RequestDataTooBig:
    return RequestDataTooBig(f"The body is larger than {max_bytes} bytes")


def _announced_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            # 18 digits are more than anyone sends; parsing thousands of them would raise.
            return int(value[:18]) if value.isdigit() else 0
    return 0


def request_of(scope: Scope, body: Body) -> RoadRequest:
    """The request for the view; a fault found here or while reading is noted in it."""
    try:
        request = RoadRequest(scope, body.content)
    except UnicodeDecodeError:
        request = RoadRequest({**scope, "query_string": b""}, body.content)
        request.fault = BadRequest("The query string is not UTF-8")
    if body.fault is not None:
        request.fault = body.fault
    if not host_is_served(scope["headers"]) and path_needs_host(request.path_info):
        request.fault = UnknownHost("The request is for a host that is not served here")
    return request


async def linger(receive: Receive, send: Send) -> None:
    """Take what a refused client is still sending, then end the response.

    Closing a connection with unread bytes makes the kernel reset it, and the client loses the answer that says why.
    """
    taken = 0
    try:
        async with asyncio.timeout(_LINGER_S):
            more = True
            while more and taken < _LINGER_BYTES:
                message = await receive()
                taken += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        pass
    await send({"type": "http.response.body"})
