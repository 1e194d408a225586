"""The users: a load generator in a process of its own, on raw connections, that checks every answer it gets.

It reads a plan (`tests.bench.plans.Plan` as one line of JSON), connects, does each user's warm-up, prints `ready`,
waits for a line, does the rest and prints a result (one line of JSON). The bytes of every request are made by the
caller, so both servers meet the very same client. Answers are kept as they came and checked when the clock has stopped.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

from tests.bench.dialects import DIALECTS, Dialect, WrongAnswerError

PATIENCE_S = 60
ERRORS_SHOWN = 5
SWITCHING_PROTOCOLS = 101


@dataclass(slots=True)
class Reply:
    """What came back for one request, as it came. Times are seconds of the monotonic clock."""

    sent_at: float
    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    first_at: float | None = None


class HttpConnection(asyncio.Protocol):
    """One kept-alive connection: a request, its whole response, the next request."""

    def __init__(self, dialect: Dialect) -> None:
        self._first = dialect.first
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport
        self._reply: Reply
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed the connection in the middle of an answer"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._reply.pieces.append(body)
        if self._reply.first_at is None and self._first in body:
            self._reply.first_at = time.perf_counter()

    def on_message_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self._end()

    def _end(self, error: Exception | None = None) -> None:
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    def _written(self, request: str) -> bytes:
        return request.encode()

    async def exchange(self, request: str) -> Reply:
        """Send the request and wait for all that comes back.

        Raises:
            OSError, TimeoutError: the connection broke, or the answer took a minute.
        """
        self._done = asyncio.get_running_loop().create_future()
        self._reply = Reply(sent_at=time.perf_counter())
        self._transport.write(self._written(request))
        async with asyncio.timeout(PATIENCE_S):
            await self._done
        return self._reply


class SocketConnection(HttpConnection):
    """One websocket: a question as a text frame, and the frames up to the one that ends its answer."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._last = dialect.last
        self._received = bytearray()
        self._shaken = False

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._shaken:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if found:
                self._received = rest
                self._reply.status = int(head.split()[1])
                self._shaken = self._reply.status == SWITCHING_PROTOCOLS
                self._end()
        while self._shaken and (frame := self._next_frame()) is not None:
            self._on_frame(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next whole frame. Servers send unmasked frames, and both of these whole ones."""
        received = self._received
        if len(received) < 2:
            return None
        size, start = received[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(received[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(received[2:10], "big"), 10
        if len(received) < start + size:
            return None
        payload = bytes(received[start : start + size])
        opcode = received[0] & 0x0F
        del received[: start + size]
        return opcode, payload

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 0x9:
            self._transport.write(_frame(0xA, payload))
            return
        if opcode == 0x8:
            self.connection_lost(ConnectionError(f"the server closed the socket: {payload[:2].hex()} {payload[2:]!r}"))
            return
        self._reply.pieces.append(payload)
        if self._reply.first_at is None and self._first in payload:
            self._reply.first_at = time.perf_counter()
        if self._last(payload):
            self._end()

    def _written(self, request: str) -> bytes:
        return _frame(0x1, request.encode()) if self._shaken else request.encode()

    async def shake_hands(self, handshake: str) -> None:
        """Upgrade the connection.

        Raises:
            ConnectionError: the server would not.
        """
        reply = await self.exchange(handshake)
        if reply.status != SWITCHING_PROTOCOLS:
            raise ConnectionError(f"the server answered the socket's handshake with {reply.status}")


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame. Its mask is four zero bytes: valid, and the payload stays as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    if size > 0xFFFF:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class User:
    """One user of the plan: a connection and the exchanges to have on it."""

    def __init__(self, plan: dict[str, Any], user: dict[str, Any]) -> None:
        self._plan = plan
        self._dialect = DIALECTS[plan["dialect"]]
        self._user = user
        self._connection: HttpConnection
        self.replies: list[tuple[Reply, str]] = []
        self.errors: list[str] = []
        self.first_token_s: list[float] = []
        self.pieces: list[int] = []

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        make = SocketConnection if self._plan["wire"] == "socket" else HttpConnection
        _, self._connection = await loop.create_connection(
            lambda: make(self._dialect), "127.0.0.1", self._plan["port"], local_addr=(self._user["source"], 0)
        )
        if isinstance(self._connection, SocketConnection):
            await self._connection.shake_hands(self._user["handshake"])

    async def work(self, first: int, last: int | None) -> None:
        """Do the exchanges from `first` up to `last`, each after the one before; stop at the first that breaks off."""
        for request, expected in self._user["exchanges"][first:last]:
            try:
                self.replies.append((await self._connection.exchange(request), expected))
            except (OSError, TimeoutError, httptools.HttpParserError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                return

    def check(self) -> None:
        """Compare every answer with what was expected of it."""
        for reply, expected in self.replies:
            if reply.status != 200:
                self.errors.append(f"status {reply.status}: {b''.join(reply.pieces)[:300]!r}")
                continue
            try:
                self.pieces.append(self._dialect.check(reply.pieces, expected))
            except WrongAnswerError as error:
                self.errors.append(str(error))
            else:
                if reply.first_at is not None:
                    self.first_token_s.append(reply.first_at - reply.sent_at)


async def _run(plan: dict[str, Any]) -> dict[str, Any]:
    users = [User(plan, user) for user in plan["users"]]
    warm_up = plan["warm_up"]
    for user in users:
        await user.connect()
    await asyncio.gather(*(user.work(0, warm_up) for user in users))
    for user in users:
        user.check()
        user.replies, user.first_token_s, user.pieces = [], [], []
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    async def begin(user: User, number: int) -> None:
        # Users who ask in one instant would share every wake-up of a paced answer; real ones do not.
        await asyncio.sleep(number * plan["stagger_s"])
        await user.work(warm_up, None)

    started = time.perf_counter()
    await asyncio.gather(*(begin(user, number) for number, user in enumerate(users)))
    elapsed_s = time.perf_counter() - started
    for user in users:
        user.check()
    errors = [error for user in users for error in user.errors]
    return {
        "elapsed_s": elapsed_s,
        "right": sum(len(user.pieces) for user in users),
        "wrong": len(errors),
        "errors": errors[:ERRORS_SHOWN],
        "first_token_s": [seconds for user in users for seconds in user.first_token_s],
        "pieces": [pieces for user in users for pieces in user.pieces],
    }


def main() -> None:
    """Do one plan."""
    plan = json.loads(sys.stdin.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_run(plan))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
