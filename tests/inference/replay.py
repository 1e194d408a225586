"""A server that answers with bytes that were recorded, cut where a test wants them cut, held back until it says go."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.fakes import bedrock

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Reply:
    """One HTTP response as bytes.

    `cuts` are byte positions after which the rest is sent as a network read of its own; at a position in `gates` the
    event is awaited first. `closes` says that the connection ends after the last byte.
    """

    wire: bytes
    cuts: tuple[int, ...] = ()
    gates: Mapping[int, asyncio.Event] = field(default_factory=dict)
    closes: bool = False


@dataclass(frozen=True)
class Recorded:
    """A fixture: one response, its body in the pieces in which the server sent it."""

    status: int
    content_type: str | None
    pieces: tuple[str | bytes, ...]
    is_whole: bool

    @property
    def body(self) -> bytes:
        return b"".join(map(_bytes_of, self.pieces))

    def wire(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} Whatever", "Date: Mon, 23 Nov 2026 00:00:00 GMT"]
        if self.content_type:
            head.append(f"Content-Type: {self.content_type}")
        if self.status != 200 or "json; charset" in (self.content_type or ""):
            head.append(f"Content-Length: {len(self.body)}")
            return "\r\n".join([*head, "", ""]).encode() + self.body
        head.append("Transfer-Encoding: chunked")
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in map(_bytes_of, self.pieces)]
        return "\r\n".join([*head, "", ""]).encode() + b"".join(chunks) + (b"0\r\n\r\n" if self.is_whole else b"")

    def reply(self, cuts: Iterable[int] = (), gates: Mapping[int, asyncio.Event] | None = None) -> Reply:
        return Reply(self.wire(), tuple(sorted(cuts)), gates or {}, closes=not self.is_whole)


def recorded(name: str) -> Recorded:
    """A fixture by its name. "pieces" are text; "messages" of an event stream are framed, a list a piece."""
    told = json.loads((FIXTURES / f"{name}.json").read_text())
    pieces = told["pieces"] if "pieces" in told else [bedrock.stream(*messages) for messages in told["messages"]]
    return Recorded(told["status"], told["content_type"], tuple(pieces), told.get("end") != "eof")


def _bytes_of(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ReplayServer:
    """Answers each path with the reply set for it, over keep-alive connections, on loopback.

    A list of replies is used one after another, its last one for good.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply | list[Reply]] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self.replied = 0
        """Replies sent to their end."""
        self.hung_up = 0
        """Clients that went away in the middle of a reply."""
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def until(self, *, requests: int = 0, replied: int = 0, hung_up: int = 0) -> None:
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self.requests) >= requests and self.replied >= replied and self.hung_up >= hung_up
            )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await _request_of(reader)
                self.requests.append(request)
                await self._announce()
                reply = self.replies[request.path.partition("?")[0]]
                if isinstance(reply, list):
                    reply = reply.pop(0) if len(reply) > 1 else reply[0]
                if not await self._send(reply, reader, writer):
                    self.hung_up += 1
                    await self._announce()
                    return
                if reply.closes:
                    writer.close()
                self.replied += 1
                await self._announce()
                if reply.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _send(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """False when the client hung up before the end."""
        gone = asyncio.ensure_future(reader.read(1))
        try:
            at = 0
            for position in sorted({*reply.cuts, *reply.gates, len(reply.wire)}):
                writer.write(reply.wire[at:position])
                at = position
                # The bytes are in the client's socket; these turns of the loop let it read them apart from the rest.
                for _ in range(3):
                    await asyncio.sleep(0)
                gate = reply.gates.get(position)
                if gate is not None:
                    opened = asyncio.ensure_future(gate.wait())
                    await asyncio.wait({opened, gone}, return_when=asyncio.FIRST_COMPLETED)
                    opened.cancel()
                if gone.done():
                    return False
            return True
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _request_of(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    method, path, _ = first.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
