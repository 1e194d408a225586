"""A reader who loses nothing: resumes by Last-Event-ID or reads all again, and minds every number and every byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import orjson

from tests.chat.ui_stream import UIStream

SILENCE_S = 25.0
"""Longer than that no stream may be silent: comments say every ten seconds that it lives."""
SHOWN_WITHIN_S = 60.0


class Refused(Exception):
    """An answer of another status than 200."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"refused with {status}, Retry-After: {retry_after}")
        self.status = status
        self.retry_after = retry_after


class Broken(Exception):
    """The connection ended in the middle."""


async def events_of(
    server: str, run_id: str, access_token: str, after: int | None = None
) -> AsyncIterator[tuple[int | None, bytes]]:
    """The run's events as they come, up to `[DONE]` and the proper end of the response.

    Pairs of number and chunk; within a replay only the last event has a number.

    Raises:
        Refused, Broken: as they say.
        TimeoutError: silence.
    """
    address = urlsplit(server)
    head = f"GET /api/v1/runs/{run_id}/stream HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Authorization: Bearer {access_token}\r\n"
    head += "" if after is None else f"Last-Event-ID: {after}\r\n"
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
    except OSError as error:
        raise Broken from error
    try:
        writer.write(head.encode() + b"\r\n")
        async for event in _events(reader):
            yield event
    except (OSError, asyncio.IncompleteReadError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise Broken from error
    finally:
        writer.close()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int | None, bytes]]:
    async with asyncio.timeout(SILENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(" ", 2)[1])
    if status != 200:
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        raise Refused(status, headers.get("retry-after"))
    rest, done = b"", False
    while True:
        async with asyncio.timeout(SILENCE_S):
            size = int(await reader.readuntil(b"\r\n"), 16)
            piece = (await reader.readexactly(size + 2))[:-2]
        if not size:
            break
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            assert not done, f"after [DONE] came {event!r}"
            if event.startswith(b"id: "):
                number, _, chunk = event.removeprefix(b"id: ").partition(b"\ndata: ")
                assert b"\n" not in chunk, f"no single line: {chunk!r}"
                yield int(number), chunk
            elif event == b"data: [DONE]":
                done = True
            elif event.startswith(b"data: "):
                yield None, event.removeprefix(b"data: ")
            else:
                assert event == b": keep-alive", f"no event: {event!r}"
    assert done, "the stream ended without [DONE]"
    assert not rest, f"half an event at the end: {rest!r}"


class Reader:
    """One reader of one run. What it reads is checked as it comes: each number once, in order, the same each time."""

    def __init__(self, server: str, access_token: str, run_id: str) -> None:
        self.server = server
        self.run_id = run_id
        self._access_token = access_token
        self.stream = UIStream()
        self.position = -1
        self.shown = ""
        """The most text that the user saw at any time."""
        self.connections = 0
        self.begun_anew = 0
        """How often the server began the message anew instead of going on."""
        self._chunks: dict[int, bytes] = {}
        self._replayed = False
        self._grown = asyncio.Event()

    async def until_shown(self, text: str) -> None:
        """Wait until a reading that goes on elsewhere shows this much. Use it from one task at a time."""
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while len(self.stream.text) < len(text):
                self._grown.clear()
                await self._grown.wait()
        assert self.stream.text == text

    @property
    def done(self) -> bool:
        """Whether the end of the answer was read."""
        return self.stream.last is not None

    async def read(self, *, whole: bool = False, leave_after: int | None = None) -> None:
        """One connection: go on behind the last event, or read from the beginning; leave after so many events.

        Raises:
            Refused, Broken, TimeoutError: as `events_of`.
        """
        self.connections += 1
        # What the reader has of this message stays on its screen until the new reading has overtaken it.
        self._remember()
        after = None if whole or self.position < 0 else self.position
        if after is None:
            self._start_over()
        taken = 0
        first = True
        async with contextlib.aclosing(events_of(self.server, self.run_id, self._access_token, after)) as events:
            async for number, chunk in events:
                if first and number is None:
                    # The log is not there any more: the saved answer is told, in other pieces, without numbers.
                    self.begun_anew += 1
                    self._start_over()
                    self._chunks = {}
                    self._replayed = True
                first = False
                self._take(number, chunk)
                taken += 1
                if taken == leave_after:
                    break
        self._remember()
        if leave_after is None or taken < leave_after:
            assert self.done, f"[DONE] after {chunk!r}" if taken else "[DONE] and nothing before it"

    async def read_to_the_end(self, *, within_s: float = 60.0) -> UIStream:
        """Come back as often as needed.

        Raises:
            TimeoutError: the end did not come in time.
        """
        async with asyncio.timeout(within_s):
            while not self.done:
                try:
                    await self.read()
                except Refused as error:
                    if error.status not in {502, 503}:
                        raise
                    await asyncio.sleep(0.2)
                except Broken:
                    await asyncio.sleep(0.05)
        return self.stream

    def _start_over(self) -> None:
        self.stream = UIStream()
        self.position = -1
        self._replayed = False

    def _take(self, number: int | None, chunk: bytes) -> None:
        if number is None:
            assert self._replayed, f"an event of a log has no number: {chunk!r}"
        else:
            # The last event of a replay has the number of the last one that it stands for.
            assert self._replayed or number == self.position + 1, f"event {number} behind event {self.position}"
            if not self._replayed:
                before = self._chunks.setdefault(number, chunk)
                assert chunk == before, f"event {number} was {before!r} and is {chunk!r}"
            self._replayed = False
            self.position = number
        self.stream.feed(orjson.loads(chunk))
        self._grown.set()

    def _remember(self) -> None:
        text = self.stream.text
        if len(text) > len(self.shown):
            assert text.startswith(self.shown), "what was shown before is not what is shown now"
            self.shown = text
        else:
            assert self.shown.startswith(text), "what is shown now is not what was shown before"
