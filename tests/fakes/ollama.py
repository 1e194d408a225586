"""An Ollama that is not one: its protocol and its manners, with a model that says what a test wants, when it wants.

It speaks /api/chat, /api/tags, /api/show, /api/ps, /api/pull, /api/delete, /api/embed and /api/version as Ollama 0.32
does: headers of a stream come with the first token, each line is one HTTP chunk, and a client that goes away stops the
answer. A chat without messages loads the model, or unloads it.
"""

import asyncio
import json
import ssl
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self

from tests.fakes.threads import serving_in_a_thread

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class FakeModel:
    """One model's manners.

    `tokens` are written as fast as the socket takes them, or `tokens_per_s` a second. `gates` maps a number of tokens
    to an event that is awaited before the next one; 0 is before the headers, which is also where a cold model loads.
    `dies_after` tokens the connection breaks; `silent_after` them the stream ends without its last line;
    `fails_after` them the runner crashes and an error line comes. `refuses` is a status and an error text.
    `calls` are tools it asks for, with their arguments, until the prompt has results (`calls_for_ever`: and after).
    """

    tokens: Sequence[str] = ("Hello", " from", " a", " fake", " model", ".")
    tokens_per_s: float | None = None
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    dies_after: int | None = None
    silent_after: int | None = None
    fails_after: int | None = None
    refuses: tuple[int, str] | None = None
    calls: Sequence[tuple[str, dict[str, Any]]] = ()
    calls_for_ever: bool = False
    loaded: bool = True
    context_length: int = 8192
    capabilities: tuple[str, ...] = ("completion",)
    input_tokens: int = 11


class FakeOllama:
    """`async with FakeOllama(...) as ollama:` serves at `ollama.url` on loopback, in the running loop."""

    def __init__(self, **models: FakeModel) -> None:
        self.models = {f"{name}:latest": model for name, model in (models or {"fake": FakeModel()}).items()}
        self.requests: list[dict[str, Any]] = []
        """The JSON of each POST /api/chat."""
        self.answering = 0
        self.completed = 0
        self.closed = 0
        """Answers whose client went away before they were complete."""
        self.registry: dict[str, list[dict[str, Any]]] = {}
        """What pulling a model tells, by its full name; the last line is "success" when it is there then."""
        self.loads: list[dict[str, Any]] = []
        """The JSON of each chat without messages."""
        self.embedded: list[dict[str, Any]] = []
        """The JSON of each POST /api/embed that had vectors for an answer."""
        self.tls: ssl.SSLContext | None = None
        """Set before it serves: it speaks TLS then, as `localhost`."""
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        # A large backlog: tests of many streams connect in one instant.
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, ssl=self.tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"https://localhost:{port}" if self.tls else f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def die(self) -> None:
        """As SIGKILL: every connection breaks and no new one is taken."""
        self._server.close()
        for writer in self._connections:
            writer.close()

    async def until(self, *, asked: int = 0, closed: int = 0, completed: int = 0) -> None:
        """Wait until so many answers have been asked for, left by their client, completed."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self.requests) >= asked and self.closed >= closed and self.completed >= completed
            )

    def model_for(self, body: Any) -> FakeModel | None:
        """Who answers this POST /api/chat; None when no such model is offered."""
        return self.models.get(_full(body["model"]))

    def began(self, body: Any) -> None:
        """Called when an answer is asked for."""

    def ended(self, body: Any, *, completed: bool) -> None:
        """Called when an answer is over: written to its end, or left by its client (`completed` is false)."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                path = head.split(" ", 2)[1]
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                body = json.loads(await reader.readexactly(length) or b"null")
                if path == "/api/chat" and body.get("messages"):
                    if not await self._chat(body, reader, writer):
                        return
                elif path == "/api/pull" and _full(body["model"]) in self.registry:
                    await self._pull(_full(body["model"]), writer)
                elif path == "/api/delete" and self.models.pop(_full(body["model"]), None):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                else:
                    _whole(writer, *self._told(path, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _pull(self, name: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for step in self.registry[name]:
            writer.write(_chunk(step))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        if self.registry[name][-1].get("status") == "success":
            self.models[name] = FakeModel()

    def _load(self, body: Any) -> tuple[int, dict[str, Any]]:
        self.loads.append(body)
        model = self.models.get(_full(body["model"]))
        if model is None:
            return 404, {"error": f"model '{body['model']}' not found"}
        model.loaded = body.get("keep_alive") != 0
        reason = "load" if model.loaded else "unload"
        message = {"role": "assistant", "content": ""}
        return 200, {"model": body["model"], "message": message, "done": True, "done_reason": reason}

    def _told(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:  # noqa: PLR0911  (a path each)
        if path == "/api/version":
            return 200, {"version": "0.32.15"}
        if path == "/api/tags":
            return 200, {"models": [_tag(name, model) for name, model in self.models.items()]}
        if path == "/api/ps":
            return 200, {"models": [_tag(name, model) for name, model in self.models.items() if model.loaded]}
        if path == "/api/show" and (model := self.models.get(_full(body["model"]))):
            info = {"general.architecture": "llama", "llama.context_length": model.context_length}
            return 200, {"model_info": info, "capabilities": list(model.capabilities)}
        if path == "/api/chat":
            return self._load(body)
        if path == "/api/pull":
            return 200, {"error": "pull model manifest: file does not exist"}
        if path == "/api/embed":
            return self._embed(body)
        return 404, {"error": f"model '{body['model']}' not found" if body else "not found"}

    def _embed(self, body: Any) -> tuple[int, dict[str, Any]]:
        model = self.models.get(_full(body["model"]))
        if model is None:
            return 404, {"error": f'model "{body["model"]}" not found, try pulling it first'}
        if "embedding" not in model.capabilities:
            return 501, {"error": "This server does not support embeddings. Start it with `--embeddings`"}
        self.embedded.append(body)
        vectors = [[1.0, float(len(text))] for text in body["input"]]
        return 200, {"embeddings": vectors, "prompt_eval_count": len(vectors) * model.input_tokens}

    async def _chat(self, body: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """False when the connection cannot be used again."""
        self.requests.append(body)
        self.answering += 1
        completed = False
        self.began(body)
        await self._announce()
        gone = asyncio.ensure_future(reader.read(1))
        answer = asyncio.ensure_future(self._answer(body, writer))
        try:
            await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self.closed += 1
                return False
            connection_lives = answer.result()
            self.completed += 1
            completed = True
        except ConnectionError:
            self.closed += 1
            return False
        else:
            return connection_lives
        finally:
            self.answering -= 1
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
            self.ended(body, completed=completed)
            await self._announce()

    async def _answer(  # noqa: C901, PLR0912  (all of its manners, in order)
        self, body: Any, writer: asyncio.StreamWriter
    ) -> bool:
        model = self.model_for(body)
        if model is None:
            _whole(writer, 404, {"error": f"model '{body['model']}' not found"})
            return True
        if model.refuses:
            _whole(writer, model.refuses[0], {"error": model.refuses[1]})
            return True
        if model.calls and (model.calls_for_ever or body["messages"][-1]["role"] != "tool"):
            asked = [{"function": {"name": name, "arguments": arguments}} for name, arguments in model.calls]
            numbers = {"prompt_eval_count": model.input_tokens, "eval_count": 5}
            writer.write(HEAD + _line(body["model"], "", done=False, tool_calls=asked))
            writer.write(_line(body["model"], "", done=True, done_reason="stop", **numbers) + b"0\r\n\r\n")
            return True
        loop = asyncio.get_running_loop()
        limit = body.get("options", {}).get("num_predict", len(model.tokens))
        began_at, count = loop.time(), 0
        for count, token in enumerate([*model.tokens[:limit], None]):
            if (gate := model.gates.get(count)) is not None:
                await writer.drain()
                await gate.wait()
                model.loaded = True
            if count == 0:
                writer.write(HEAD)
            if model.dies_after == count:
                return False  # the connection ends here, in the middle of the body
            if model.silent_after == count or token is None:
                break
            if model.fails_after == count:
                error = "an error was encountered while running the model: unexpected EOF"
                writer.write(_chunk({"error": error}) + b"0\r\n\r\n")
                return True
            if writer.is_closing():
                raise ConnectionResetError  # which uvloop says as a RuntimeError
            writer.write(_line(body["model"], token, done=False))
            if model.tokens_per_s:
                await asyncio.sleep(max(0.0, began_at + (count + 1) / model.tokens_per_s - loop.time()))
            else:
                await writer.drain()
        if model.silent_after is None:
            reason = "length" if limit < len(model.tokens) else "stop"
            numbers = {"total_duration": 9_000_000, "load_duration": 900_000, "eval_duration": 8_000_000}
            numbers |= {"prompt_eval_count": model.input_tokens, "eval_count": count}
            writer.write(_line(body["model"], "", done=True, done_reason=reason, **numbers))
        writer.write(b"0\r\n\r\n")
        return True

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def fake_ollama_in_a_thread(**models: FakeModel) -> AbstractContextManager[FakeOllama]:
    """The same for synchronous tests: see `serving_in_a_thread`."""
    return serving_in_a_thread(FakeOllama(**models))


def _full(name: str) -> str:
    return name.casefold() if ":" in name else f"{name.casefold()}:latest"


def _tag(name: str, model: FakeModel) -> dict[str, Any]:
    details = {"format": "gguf", "family": "llama", "context_length": model.context_length}
    return {
        "name": name,
        "model": name,
        "digest": f"{name}-digest",
        "details": details,
        "capabilities": list(model.capabilities),
    }


def _line(model: str, content: str, *, done: bool, tool_calls: Any = None, **rest: Any) -> bytes:
    message = {"role": "assistant", "content": content} | ({"tool_calls": tool_calls} if tool_calls else {})
    return _chunk({"model": model, "created_at": "2026-11-23T00:00:00.1Z", "message": message, "done": done, **rest})


def _chunk(told: dict[str, Any]) -> bytes:
    line = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def _whole(writer: asyncio.StreamWriter, status: int, told: dict[str, Any]) -> None:
    body = json.dumps(told, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json; charset=utf-8\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
