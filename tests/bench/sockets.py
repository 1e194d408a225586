"""Many open, silent websockets in this process."""

import http.client
import select
import socket
from collections.abc import Sequence

from tests.bench.latency import Connection
from tests.bench.product import SignedIn

_ENOUGH = 65536


class SocketRefusedError(Exception):
    """A handshake was not answered with 101, or an open socket was closed; the text is what came."""


class IdleSockets:
    """Sockets that say nothing but the pongs they are asked for."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}

    def open(self, port: int, user: SignedIn, count: int) -> None:
        """Open so many of the user, each with a ticket of its own, compression offered as browsers do.

        Raises:
            SocketRefusedError: the server would not.
        """
        tickets = Connection(port, user.source)
        for _ in range(count):
            request = user.ticket_request()
            reply = tickets.ask(request.encode())
            if reply.status >= http.HTTPStatus.MULTIPLE_CHOICES:
                raise SocketRefusedError(f"no ticket: {reply.status} {reply.body[:300]!r}")
            opened = socket.create_connection(("127.0.0.1", port), 30, (user.source, 0))
            opened.sendall(user.handshake_with(reply.body, extensions="permessage-deflate").encode())
            head = b""
            while b"\r\n\r\n" not in head:
                data = opened.recv(4096)
                head += data
                if not data or not head.startswith(b"HTTP/1.1 101"[: len(head)]):
                    raise SocketRefusedError(f"{head[:300]!r}")
            opened.setblocking(False)
            self._open[opened.fileno()] = opened
            self._poll.register(opened, select.EPOLLIN)
        tickets.close()

    def answer_pings(self) -> None:
        """Keep them alive.

        Raises:
            SocketRefusedError: the server closed one.
        """
        for fileno, _ in self._poll.poll(0, max(1, len(self._open))):
            data = self._open[fileno].recv(_ENOUGH)
            if not data or data[0] & 0x0F == 0x8:
                raise SocketRefusedError(f"an idle socket was closed: {data[:100]!r}")
            if data[0] & 0x0F == 0x9:
                # The payload must come back; uvicorn's are four bytes, with our mask of zeros as they are.
                size = data[1] & 0x7F
                self._open[fileno].send(bytes([0x8A, 0x80 | size]) + bytes(4) + data[2 : 2 + size])

    def close(self) -> None:
        """Close all, without a word."""
        for one in self._open.values():
            one.close()
        self._open.clear()


def opened_evenly(count: int, users: Sequence[SignedIn]) -> list[int]:
    """How many sockets each user opens."""
    return [count // len(users) + (number < count % len(users)) for number in range(len(users))]
