"""uvicorn's HTTP protocol with bounds on what comes before a request's body: size, number, time, connections.

What the parser refuses by itself (both Content-Length and Transfer-Encoding, two lengths, folded headers, a bare line
feed) is held down by `tests/front_door/test_http.py`. It has no measure of its own, though: a head may be of any
length, and take for ever. A body's bounds are the application's (`eloquent.reception`, `eloquent.desk_road`).
"""

import asyncio
import resource
from functools import cache
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of a request's first line and headers. Browsers stay below 16 KiB, balancers refuse above 64."""

MOST_HEADERS: Final = 100
HEAD_TIMEOUT_S: Final = 10.0
"""A head must be there so long after the connection was made, or after its first byte on one that is kept."""

MOST_CONNECTIONS: Final = 20_000
# Files that are no connections: the database's, Redis', the models', logs.
_OTHER_FILES: Final = 500
_WANTED_FILES: Final = 65_536

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@cache
def room_for_connections() -> int:
    """How many connections one process may hold: as many as it may open files for, after asking for more of those."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(MOST_CONNECTIONS, max(wanted, soft) - min(_OTHER_FILES, wanted // 2))


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    most_connections: int | None = None
    head_timeout_s: float = HEAD_TIMEOUT_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: asyncio.TimerHandle | None = None
        self._in_head = False
        self._between = True
        self._fed_bytes = self._head_bytes = 0
        self._too_large = False
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > (self.most_connections or room_for_connections()):
            # An answer would be kind, and cost what there is too little of.
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """A head that has not come is not waited for any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and bound a head that is not complete afterwards."""
        was_in_head = self._in_head
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._in_head:
            # The parser keeps a header to itself until it is whole. A head may begin behind a body in one piece.
            self._fed_bytes += len(data) if was_in_head else 0
            if self._fed_bytes > LARGEST_HEAD:
                self._too_large = True
                self.send_400_response("")
        elif self._between and self._late is None and (self.cycle is None or self.cycle.response_complete):
            # Empty lines: no beginning of a request to the parser, but uvicorn's own timer has stopped at them.
            self._expect_head()

    def on_message_begin(self) -> None:
        """From here on a head is counted and timed, one after another on the same connection."""
        self._in_head, self._between = True, False
        self._fed_bytes = self._head_bytes = 0
        if self._late is None:
            self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Those behind a body are dropped: whoever reads headers believes that a proxy has seen them."""
        if self._in_head:
            self._count(len(name) + len(value))
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head came in time: what follows is not counted here."""
        self._head_is_there()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; another may follow."""
        super().on_message_complete()
        self._between = True

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the websocket's protocol: from here on nothing of ours may time it."""
        self._upgraded = True
        super().handle_websocket_upgrade()
        # It holds our methods, and nobody tells us when the connection ends.
        self.parser = None  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, or is too large, and close."""
        if self._too_large:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > LARGEST_HEAD or len(self.headers) >= MOST_HEADERS:
            self._too_large = True
            raise ValueError("the head is too large")  # which the parser turns into a refusal

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _head_is_there(self) -> None:
        self._in_head = False
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()
