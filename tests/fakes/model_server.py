"""A model server as a process of its own, for all providers: killed, frozen and slowed by real signals.

    python -m tests.fakes.model_server --port 11500

The first part of a path is the provider that is asked. The model's name says how its answer is written, see `Manner`.
Each line on standard output is something that happened: "listens", "asked", "closed" (the client left), "completed".
"""

import argparse
import asyncio
import json
import re
from functools import cache
from typing import NamedTuple, Self

from tests.bench.answers import asked_for, tokens_of
from tests.fakes.wires import KINDS, pieces_of


class Manner(NamedTuple):
    """Milliseconds before the headers, between tokens, and before the last line; and how many tokens."""

    first_ms: int = 0
    between_ms: int = 0
    last_ms: int = 0
    tokens: int = 200

    @property
    def name(self) -> str:
        """The model that answers so."""
        return f"f{self.first_ms}-b{self.between_ms}-l{self.last_ms}-t{self.tokens}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """The manner that is named somewhere in the text."""
        found = re.search(r"f(\d+)-b(\d+)-l(\d+)-t(\d+)", text)
        return cls(*map(int, found.groups())) if found else None


@cache
def _pieces(kind: str, answer: int, tokens: int) -> list[bytes]:
    return pieces_of(kind, tokens_of(answer, tokens))


_asked_for: set[str] = set()


def _say(what: str) -> None:
    print(what, flush=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
            body = (await reader.readexactly(int(length[1]) if length else 0)).decode()
            path = head.split(" ", 2)[1]
            kind = path.split("/")[1]
            manner = Manner.of(path) or Manner.of(body)
            if manner is None or kind not in KINDS or not head.startswith("POST"):
                # Whatever was asked for is in memory: nobody waits for a load here.
                _tell(writer, {"models": [{"name": name} for name in sorted(_asked_for)]})
                continue
            _asked_for.add(manner.name)
            _say("asked")
            if not await _answer(kind, manner, asked_for(_named(body)), reader, writer):
                _say("closed")
                return
            _say("completed")
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


def _named(body: str) -> str:
    found = re.search(r"\[answer \d\d\]", body)
    return found[0] if found else "[answer 00]"


async def _answer(
    kind: str, manner: Manner, answer: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """False when the client left before the end."""
    gone = asyncio.ensure_future(reader.read(1))
    writing = asyncio.ensure_future(_write(_pieces(kind, answer, manner.tokens), manner, writer))
    try:
        await asyncio.wait({gone, writing}, return_when=asyncio.FIRST_COMPLETED)
        return writing.done() and writing.exception() is None
    finally:
        for task in (gone, writing):
            task.cancel()
        await asyncio.gather(gone, writing, return_exceptions=True)


async def _write(pieces: list[bytes], manner: Manner, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    began_at = loop.time() + manner.first_ms / 1000
    *tokens, last = pieces
    await asyncio.sleep(manner.first_ms / 1000)
    for number, token in enumerate(tokens):
        if number:
            await asyncio.sleep(max(0.0, began_at + number * manner.between_ms / 1000 - loop.time()))
        writer.write(token)
        await writer.drain()
    await asyncio.sleep(manner.last_ms / 1000)
    writer.write(last)
    await writer.drain()


def _tell(writer: asyncio.StreamWriter, told: object) -> None:
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=1024)
    _say("listens")
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    asyncio.run(_main(options.parse_args().port))
