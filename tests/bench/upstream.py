"""A language model that costs next to nothing: Ollama's wire on canned answers, as a process of its own.

    python -m tests.bench.upstream --port 11500

The name of the model says how it writes its 200 lines:

    bench-burst    as fast as it can, one write for each line, all streams in turn
    bench-whole    the whole answer in one write: the least work that any relay can have
    bench-paced    50 lines a second from the moment it was asked
    bench-garbled  like bench-burst, with one token changed: what a check of answers must find
    bench-cut      like bench-burst, without its last ten tokens: likewise

and with `--steady bench-steady-10x400` (again and again, if wanted) that one: 400 lines, 10 a second, for thousands of
streams at once, see `tests.bench.steady`; `bench-spoiled-10x400` likewise with one token changed. `GET /bench/log`
gives and empties the log of when those were written.

Each line is an HTTP chunk of its own and the headers come with the first, as from Ollama 0.32. Every line's bytes are
made at the start, so that the process under test, not this one, is what a burst waits for.
"""

import argparse
import asyncio
import gc
import json
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import httptools
import orjson
import uvloop

from tests.bench.answers import ANSWERS, TOKENS_PER_ANSWER, asked_for, stream_of, tokens_of
from tests.bench.descriptors import allow_many
from tests.bench.steady import Pace, SteadyStreams

MODELS = ("bench-burst", "bench-whole", "bench-paced", "bench-garbled", "bench-cut")
TOKENS_PER_S = 50.0
CONTEXT_LENGTH = 8192
LAST_CHUNK = b"0\r\n\r\n"

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_DETAILS = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "134.52M"}
_DETAILS |= {"quantization_level": "Q4_1"}


def _go_json(value: dict[str, Any]) -> bytes:
    """JSON as Go writes it: UTF-8 as it is, but what is dangerous in HTML and JavaScript escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for dangerous in "<>&\u2028\u2029":
        text = text.replace(dangerous, f"\\u{ord(dangerous):04x}")
    return text.encode()


def _line(model: str, number: int, content: str, **rest: Any) -> bytes:
    """One line of /api/chat as one HTTP chunk."""
    moment = f"2024-01-01T00:00:{number // 50:02d}.{number % 50 * 20_000_000 + 123_457:09d}Z"
    message = {"role": "assistant", "content": content}
    line = _go_json({"model": model, "created_at": moment, "message": message, "done": False} | rest) + b"\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


@cache
def _writes_of(model: str, answer: int, length: int = TOKENS_PER_ANSWER) -> list[bytes]:
    """What is written for an answer, one entry a write."""
    tokens = list(tokens_of(answer, length))
    if model == "bench-garbled":
        tokens[100] = " wrong"
    if model.startswith("bench-spoiled"):
        tokens[length // 2] = " wrong"
    if model == "bench-cut":
        del tokens[-10:]
    lines = [_line(model, number, token) for number, token in enumerate(tokens)]
    # Half the window was read: no prompt here is so long that this would look like a part left out.
    numbers = {"total_duration": 4_100_000_000, "load_duration": 1_200_000, "prompt_eval_count": CONTEXT_LENGTH // 2}
    numbers |= {"prompt_eval_duration": 60_000_000, "eval_count": len(tokens), "eval_duration": 4_000_000_000}
    last = _line(model, len(tokens), "", done=True, done_reason="stop", **numbers)
    lines.append(last + LAST_CHUNK)
    lines[0] = _STREAM_HEAD + lines[0]
    return [b"".join(lines)] if model == "bench-whole" else lines


class Streams:
    """The answers being written: bursts take turns, a line each; paced ones have their own clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tokens_per_s: float, paces: Sequence[Pace]) -> None:
        self.models = [*MODELS, *(pace.model for pace in paces)]
        self.steady = SteadyStreams(loop, _writes_of)
        self._loop = loop
        self._between_s = 1 / tokens_per_s
        self._bursts: deque[tuple[Connection, list[bytes], int]] = deque()
        for model, length in [*((model, TOKENS_PER_ANSWER) for model in MODELS), *((p.model, p.tokens) for p in paces)]:
            for answer in range(ANSWERS):
                _writes_of(model, answer, length)

    def start(self, connection: "Connection", model: str, asked: str) -> None:
        answer = asked_for(asked)
        pace = Pace.of(model)
        if pace is not None:
            connection.stream = stream_of(asked)
            self.steady.start(connection, pace, answer, connection.stream)
            return
        writes = _writes_of(model, answer)
        if model == "bench-paced":
            self._write_paced(connection, writes, 0, self._loop.time())
            return
        self._bursts.append((connection, writes, 0))
        if len(self._bursts) == 1:
            self._loop.call_soon(self._write_bursts)

    def _write_paced(self, connection: "Connection", writes: list[bytes], number: int, started: float) -> None:
        if connection.write(writes[number]) and number + 1 < len(writes):
            at = started + (number + 1) * self._between_s
            self._loop.call_at(at, self._write_paced, connection, writes, number + 1, started)

    def _write_bursts(self) -> None:
        for _ in range(len(self._bursts)):
            connection, writes, number = self._bursts.popleft()
            if connection.write(writes[number]) and number + 1 < len(writes):
                self._bursts.append((connection, writes, number + 1))
        if self._bursts:
            self._loop.call_soon(self._write_bursts)


class Connection(asyncio.Protocol):
    """One connection of a client; requests come one after another."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body = b""
        self.stream: int | None = None
        """The number of the logged stream that is being written."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._transport = None
        if self.stream is not None:
            self._streams.steady.closed(self.stream)

    def write(self, data: bytes) -> bool:
        """False once the client has gone: the answer ends there, as Ollama's does."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self.stream is not None and data.endswith(LAST_CHUNK):
            self.stream = None
        return True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._path == b"/api/chat":
            asked = orjson.loads(self._body)
            model = asked["model"].partition(":")[0]
            if model in self._streams.models:
                self._streams.start(self, model, asked["messages"][-1]["content"])
                return
            self._reply(404, {"error": f"model '{model}' not found"})
        elif self._path == b"/api/tags":
            self._reply(200, {"models": [_tag(model) for model in self._streams.models]})
        elif self._path == b"/api/ps":
            loaded = {"expires_at": "2318-01-01T00:00:00Z", "size_vram": 0, "context_length": CONTEXT_LENGTH}
            self._reply(200, {"models": [_tag(model) | loaded for model in self._streams.models]})
        elif self._path == b"/api/show":
            info = {"general.architecture": "llama", "llama.context_length": CONTEXT_LENGTH}
            shown = {"details": _DETAILS, "model_info": info, "capabilities": ["completion"]}
            self._reply(200, shown | {"modified_at": "2024-01-01T00:00:00Z"})
        elif self._path == b"/api/version":
            self._reply(200, {"version": "0.32.15"})
        elif self._path == b"/bench/log":
            self._reply(200, self._streams.steady.log.taken())
        else:
            self._reply(404, {"error": "not found"})

    def _reply(self, status: int, value: dict[str, Any]) -> None:
        body = orjson.dumps(value) if self._path == b"/bench/log" else _go_json(value)
        reason = {200: "OK", 404: "Not Found"}[status]
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\n"
        self.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def _tag(model: str) -> dict[str, Any]:
    details = _DETAILS | {"context_length": CONTEXT_LENGTH, "embedding_length": 576}
    tag = {
        "name": f"{model}:latest",
        "model": f"{model}:latest",
        "modified_at": "2024-01-01T00:00:00Z",
        "size": 98362745,
    }
    return tag | {"digest": model.encode().hex().ljust(64, "0"), "details": details, "capabilities": ["completion"]}


async def _serve(port: int, tokens_per_s: float, paces: Sequence[Pace]) -> None:
    loop = asyncio.get_running_loop()
    streams = Streams(loop, tokens_per_s, paces)
    # The garbage collector need not look again and again through what is made once.
    gc.freeze()
    server = await loop.create_server(lambda: Connection(streams), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--tokens-per-s", type=float, default=TOKENS_PER_S, help="of bench-paced")
    options.add_argument("--steady", action="append", default=[], metavar="MODEL", help="one more even model")
    chosen = options.parse_args()
    paces = [pace for named in chosen.steady if (pace := Pace.of(named))]
    allow_many()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(chosen.port, chosen.tokens_per_s, paces))


if __name__ == "__main__":
    main()
