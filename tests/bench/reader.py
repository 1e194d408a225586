"""One reader of one run, in this process: leaves and comes back, and knows when the first byte came."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httptools
import orjson


class RefusedStreamError(Exception):
    """The server's answer was not a stream; the text is what it said."""


@dataclass(slots=True)
class Event:
    """One server-sent event."""

    number: int
    chunk: dict[str, object]


@dataclass(slots=True)
class EventStream:
    """A response that is read event by event. `first_at` is when the body's first byte came."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent_at: float
    first_at: float | None = None
    status: int = 0
    ended: bool = False
    done: bool = False
    _body: bytearray = field(default_factory=bytearray)
    _waiting: deque[bytes] = field(default_factory=deque)
    _parser: Any = None
    _headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools' callback."""
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        """httptools' callback."""
        if self.first_at is None:
            self.first_at = time.perf_counter()
        self._body += body

    def on_message_complete(self) -> None:
        """httptools' callback."""
        self.ended = True

    @property
    def run_id(self) -> str:
        """The run, as the headers name it."""
        return self._headers["x-run-id"]

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come, up to `[DONE]`, which sets `done`. May be left and asked for again.

        Raises:
            RefusedStreamError: there is no stream.
        """
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                lines = dict(line.split(b": ", 1) for line in event.split(b"\n") if not line.startswith(b":"))
                if lines.get(b"data") == b"[DONE]":
                    self.done = True
                elif lines:
                    yield Event(int(lines[b"id"]), orjson.loads(lines[b"data"]))
            if self.ended or not (data := await self.reader.read(65536)):
                return
            self._parser.feed_data(data)
            self.status = self._parser.get_status_code()
            if self.status != 200:
                raise RefusedStreamError(f"status {self.status}: {data[-300:]!r}")
            *events, rest = bytes(self._body).split(b"\n\n")
            self._body[:] = rest
            self._waiting.extend(events)

    def leave(self) -> None:
        """Close the connection as a page does that goes away."""
        self.writer.close()


async def opened(port: int, source: str, request: str) -> EventStream:
    """Connect and send the request; the clock starts before the connection does.

    Raises:
        OSError: nobody listens.
    """
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(request.encode())
    return EventStream(reader, writer, started)
