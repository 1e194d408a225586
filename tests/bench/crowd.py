"""Thousands of readers in one process that costs little, and when each of their tokens came.

    python -m tests.bench.crowd RESULT      (one line of JSON on stdin: `tests.bench.crowds.CrowdPlan`)

It connects every reader, prints `ready`, waits for a line, and then lets each begin at its own time. Sockets are read
as they are, at most once in `look_every_s`: all that came meanwhile has the time of the look, so a delay is seen up to
that much too long, never too short. Bytes are kept as they came, and only when all is over are they taken apart,
compared with what was expected, and turned into the times of tokens. The result is written to the file RESULT.
"""

import gc
import json
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httptools
import orjson

from tests.bench.answers import tokens_of
from tests.bench.descriptors import allow_many
from tests.bench.dialects import DIALECTS, Dialect, WrongAnswerError

_END = b"0\r\n\r\n"
_MOST_BYTES = 256 * 1024
_BETWEEN_CONNECTIONS = 64


class Reader:
    """One connection, and the answers to ask for on it, one after another."""

    def __init__(self, plan: dict[str, Any], port: int) -> None:
        self.begins_s: float = plan["begins_s"]
        self.exchanges: list[dict[str, Any]] = plan["exchanges"]
        self.at = 0
        self.sent_at: list[float] = []
        self.pieces: list[list[tuple[float, bytes]]] = []
        self.broke = ""
        self._tail = b""
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(plan["source"], 0), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def ask(self) -> None:
        """Send the next request."""
        self._tail = b""
        self.pieces.append([])
        self.sent_at.append(time.perf_counter())
        # A request is far smaller than a socket's buffer, which is empty here.
        self.socket.send(self.exchanges[self.at]["request"].encode())

    def read(self) -> bool:
        """Take what has come; False when this reader has nothing more to do."""
        try:
            data = self.socket.recv(_MOST_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        at = time.perf_counter()
        pieces = self.pieces[-1]
        pieces.append((at, data))
        if not data or (len(pieces) == 1 and not data.startswith(b"HTTP/1.1 200")):
            head, _, body = data.partition(b"\r\n\r\n")
            said = head.partition(b"\r\n")[0] + b" " + body[:300]
            self.broke = said.decode(errors="replace") if data else "the server broke the connection off"
            return False
        self._tail = data if len(data) >= len(_END) else self._tail + data
        if not self._tail.endswith(_END):
            return True
        self.at += 1
        if self.at == len(self.exchanges):
            return False
        self.ask()
        return True


class _Body:
    """Takes chunks off a response: the body's pieces with their times."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.whole = False
        self._parser = httptools.HttpResponseParser(self)
        self._at = 0.0

    def feed(self, at: float, data: bytes) -> None:
        self._at = at
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.pieces.append((self._at, body))

    def on_message_complete(self) -> None:
        self.whole = True


def arrivals(dialect: Dialect, pieces: list[tuple[float, bytes]], tokens: tuple[str, ...]) -> list[float]:
    """When each of the tokens was there as a whole, from a body that was found right: tokens may share a chunk."""
    times: list[float] = []
    ends, at_token, length = 0, 0, 0
    waiting = b""
    for at, piece in pieces:
        *records, waiting = (waiting + piece).split(dialect.between)
        for record in records:
            length += len(dialect.text_in(record))
            while at_token < len(tokens) and ends + len(tokens[at_token]) <= length:
                ends += len(tokens[at_token])
                at_token += 1
                times.append(at)
    return times


def _outcome(reader: Reader, number: int, dialect: Dialect) -> dict[str, Any]:
    """What became of one exchange."""
    exchange = reader.exchanges[number]
    outcome: dict[str, Any] = {"stream": exchange["stream"], "error": "", "sent_at": None, "arrivals": []}
    if number >= len(reader.sent_at):
        return outcome | {"error": f"never asked: {reader.broke or 'the time was over'}"}
    body = _Body()
    try:
        for at, data in reader.pieces[number]:
            body.feed(at, data)
        if not body.whole:
            raise WrongAnswerError(reader.broke or "the answer did not end in time")
        tokens = tokens_of(exchange["answer"], exchange["tokens"])
        dialect.check([piece for _, piece in body.pieces], "".join(tokens))
        outcome["arrivals"] = arrivals(dialect, body.pieces, tokens)
    except (WrongAnswerError, httptools.HttpParserError) as error:
        outcome["error"] = reader.broke or f"{type(error).__name__}: {error}"
    return outcome | {"sent_at": reader.sent_at[number], "pieces": len(body.pieces)}


def _read_all(readers: list[Reader], look_every_s: float, patience_s: float) -> None:
    """From the start to the last reader's end, or until the patience is over."""
    waiting = sorted(readers, key=lambda reader: reader.begins_s, reverse=True)
    poll = select.epoll()
    by_fileno = {reader.socket.fileno(): reader for reader in readers}
    for fileno in by_fileno:
        poll.register(fileno, select.EPOLLIN)
    started = time.perf_counter()
    reading = len(readers)
    while reading and time.perf_counter() - started < patience_s:
        looked_at = time.perf_counter()
        while waiting and waiting[-1].begins_s <= looked_at - started:
            waiting.pop().ask()
        wait_s = waiting[-1].begins_s - (looked_at - started) if waiting else 1.0
        for fileno, _ in poll.poll(max(0.0, min(wait_s, 1.0)), len(readers)):
            if not by_fileno[fileno].read():
                poll.unregister(fileno)
                reading -= 1
        if (rest_s := look_every_s - (time.perf_counter() - looked_at)) > 0:
            time.sleep(rest_s)


def main() -> None:
    """Do one plan."""
    plan = json.loads(sys.stdin.readline())
    allow_many(len(plan["readers"]) + 50)
    readers = []
    for number, reader in enumerate(plan["readers"]):
        readers.append(Reader(reader, plan["port"]))
        if number % _BETWEEN_CONNECTIONS == 0:
            time.sleep(0.01)  # servers accept in turns, and their queue is finite
    print("ready", flush=True)
    sys.stdin.readline()
    # What came is kept to the end: there is no garbage to look for, and a look would be a pause of ours.
    gc.disable()
    started_at = time.perf_counter()
    _read_all(readers, plan["look_every_s"], plan["patience_s"])
    dialect = DIALECTS[plan["dialect"]]
    outcomes = [_outcome(reader, number, dialect) for reader in readers for number in range(len(reader.exchanges))]
    Path(sys.argv[1]).write_bytes(orjson.dumps({"started_at": started_at, "outcomes": outcomes}))
    print("done", flush=True)


if __name__ == "__main__":
    main()
