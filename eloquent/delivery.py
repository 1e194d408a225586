"""Sending a response: whole, or as a stream that ends when nobody reads it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from eloquent.departures import Departure, Watch
from eloquent.reception import ClientLeft, RoadRequest
from eloquent.roads import Send

# How long we wait for the server to say that a connection we closed is gone.
_HANG_UP_S: Final = 1.0

# After so many writes the others come to their turn: a reader that is as fast as the stream blocks none of them, and
# neither does a connection that is gone and has not told us yet.
_WRITES_IN_A_ROW: Final = 32

_BODILESS: Final = frozenset({204, 304})

log = structlog.get_logger(__name__)


async def send_whole(response: HttpResponse, request: RoadRequest, send: Send, *, last: bool) -> None:
    """Send a response that is in memory. When it is not the `last` word, the body's end is left to the caller."""
    content = response.content
    if "Content-Length" not in response.headers and response.status_code not in _BODILESS:
        # Without it the server would send the body in chunks.
        response.headers["Content-Length"] = str(len(content))
    if not last and request.scope.get("http_version", "1.1").startswith("1"):
        response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": _raw_headers(response)})
    body = content if _sends_body(response, request) else b""
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def send_stream(response: StreamingHttpResponse, request: RoadRequest, send: Send, watch: Watch) -> None:
    """Send what the view yields as it comes; close the view's generator whatever the end is."""
    # The iterator itself, not `aiter(response)`: that wraps it in two generators, which cost more than the rest of this
    # loop, and whose closing reaches the view's own only when the garbage collector comes round.
    content: AsyncIterator[Any] = response._iterator  # type: ignore[attr-defined]  # noqa: SLF001
    now = watch.loop.time
    written = 0
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": _raw_headers(response)})
        if _sends_body(response, request):
            async for part in content:
                chunk = part if type(part) is bytes else response.make_bytes(part)
                if watch.departure is not None:
                    # The view's generator swallowed its cancellation. Nobody reads what it still has to say.
                    return
                if chunk:
                    watch.sending_since = now()
                    try:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    except OSError:
                        # How a server may say that the client is gone (ASGI 2.4). Not the view's own OSError.
                        raise ClientLeft from None
                    watch.sending_since = None
                    written += 1
                    if not written % _WRITES_IN_A_ROW:
                        await asyncio.sleep(0)
        await send({"type": "http.response.body"})
    finally:
        watch.sending_since = None
        aclose = getattr(content, "aclose", None)
        if aclose is not None:
            await aclose()


async def hang_up(send: Send, watch: Watch) -> None:
    """Close the connection below a response that will not be finished.

    ASGI has no message for it. uvicorn closes it when an application returns early, but only after all that is
    buffered has been taken, which a stalled reader never does, and it logs an error. So its transport is asked
    directly; with another server returning early has to do.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return
    if watch.departure is Departure.STALLED:
        transport.abort()
    else:
        transport.close()
    await watch.until_left(_HANG_UP_S)


def release(response: HttpResponseBase, request: HttpRequest) -> None:
    """Close response and request as Django does, here and without the `request_finished` signal."""
    for closer in (*response._resource_closers, request.close):  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            closer()
        except Exception:
            log.exception("closing a response failed")
    response._resource_closers.clear()  # type: ignore[attr-defined]  # noqa: SLF001
    response.closed = True


def _raw_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """The headers and cookies as Django writes them: names in their own case, values in Latin-1."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    if response.cookies:
        headers += [
            (b"Set-Cookie", cookie.output(header="").encode("ascii").strip()) for cookie in response.cookies.values()
        ]
    return headers


def _sends_body(response: HttpResponseBase, request: HttpRequest) -> bool:
    return request.method != "HEAD" and response.status_code not in _BODILESS
