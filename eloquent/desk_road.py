"""The desk road's bounds on a request's body: Django would write one of any length to the disk, at any pace."""

from http import HTTPStatus
from typing import Final

from django.conf import settings

from eloquent.foundation import content_security
from eloquent.reception import Body, BodyTooSlow, ClientLeft, linger, read_body
from eloquent.roads import ASGIApplication, Message, Receive, Scope, Send

BODY_TIMEOUT_S: Final = 60.0

_HEADERS: Final = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-security-policy", content_security.DATA.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


def bounded(handler: ASGIApplication, *, timeout_s: float = BODY_TIMEOUT_S) -> ASGIApplication:
    """The handler behind bounds: it is asked once the body is here, and no larger than a form may be."""

    async def desk_road(scope: Scope, receive: Receive, send: Send) -> None:
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        try:
            body = await read_body(scope, receive, max_bytes=limit, timeout_s=timeout_s)
        except ClientLeft:
            return
        if body.fault is None:
            await handler(scope, _replayed(body, receive), send)
        else:
            await _refuse(body, receive, send)

    return desk_road


def _replayed(body: Body, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body.content, "more_body": False}

    return replayed


async def _refuse(body: Body, receive: Receive, send: Send) -> None:
    slow = isinstance(body.fault, BodyTooSlow)
    status = HTTPStatus.REQUEST_TIMEOUT if slow else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    await send({"type": "http.response.start", "status": int(status), "headers": _HEADERS})
    await send({"type": "http.response.body", "body": f"{body.fault}.\n".encode(), "more_body": True})
    await linger(receive, send)
