"""How long single requests take: one after another on a kept connection, with next to no client in between."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `took_ms` is from before the request is sent until the body's last byte is here."""

    status: int
    body: bytes
    took_ms: float


class Connection:
    """One kept-alive connection to a server whose answers have a Content-Length."""

    def __init__(self, port: int, source: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """The server sees the connection end; a request that waits for its answer fails."""
        self._socket.close()

    def ask(self, request: bytes) -> Reply:
        """Send the request and wait for the whole answer.

        Raises:
            OSError: the server closed the connection, or took a minute.
        """
        started = time.perf_counter()
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        size = end + 4 + _length(received[:end])
        while len(received) < size:
            received += self._more()
        took_ms = (time.perf_counter() - started) * 1000
        return Reply(int(received[9:12]), received[end + 4 : size], took_ms)

    def _more(self) -> bytes:
        data = self._socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise ConnectionError(f"an answer without a length: {head[:200]!r}")


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of request: the requests to choose from, in turns, and the ids that each must bring, in order."""

    kind: str
    connection: Connection
    requests: Sequence[tuple[bytes, list[str]]]
