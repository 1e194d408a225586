"""People who use the server in tests: each signed in, with a client of his or her own."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import websockets
from httpx_sse import aconnect_sse

from tests.chat.ui_stream import UIStream
from tests.documented import is_documented

PASSWORD = "correct horse battery staple"
_TIMEOUT_S = 20


class Person:
    """A registered user: REST with an access token, server-sent events, sockets."""

    def __init__(self, server: str, name: str, *, trusting: ssl.SSLContext | None = None) -> None:
        self.server = server
        self.email = f"{name}@example.org"
        # Whatever a test provokes, the document must know of it.
        hooks = {"response": [is_documented]}
        verify = trusting or True
        self.http = httpx.AsyncClient(base_url=f"{server}/api/v1", timeout=_TIMEOUT_S, event_hooks=hooks, verify=verify)
        self.tokens: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        answer = await self.http.post("/auth/register", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        self.tokens = answer.json()
        self.http.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    @asynccontextmanager
    async def at(self, server: str, tokens: dict[str, Any] | None = None) -> AsyncIterator["Person"]:
        """The same user with a client for another address: a tab whose requests go elsewhere.

        It is signed in as here, or as another device that has `tokens`.
        """
        other = Person(server, "")
        other.email, other.tokens = self.email, tokens or self.tokens
        other.http.headers["Authorization"] = f"Bearer {other.tokens['access_token']}"
        async with other.http:
            yield other

    async def ok(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer that has this status."""
        answer = await self.http.request(method, path, **options)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.content else None

    async def session_id(self) -> str:
        """The session that this person is signed in with."""
        sessions = await self.ok("GET", "/auth/sessions")
        current: str = next(session["id"] for session in sessions["items"] if session["current"])
        return current

    async def conversation(self, **fields: Any) -> str:
        """The id of a new conversation."""
        created: dict[str, str] = await self.ok("POST", "/conversations", 201, json=fields)
        return created["id"]

    async def ask(self, conversation: str, text: str, status: int = 202, **body: Any) -> Any:
        """Start a run and leave it alone; returns the run, or the problem for another status."""
        headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
        body = {"parts": [{"type": "text", "text": text}], **body}
        return await self.ok("POST", f"/conversations/{conversation}/runs", status, json=body, headers=headers)

    async def attach(self, content: bytes, name: str = "", *, media_type: str = "", status: int = 201) -> Any:
        """Upload a file; returns what is known of it, or the problem for another status."""
        headers = {"Content-Type": media_type} if media_type else {}
        return await self.ok("POST", "/attachments", status, params={"name": name}, content=content, headers=headers)

    @asynccontextmanager
    async def posting(self, chat_id: str, text: str = "", **fields: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """Post as `useChat` does, and read the answer; fields are of the body, or `headers` and `params`."""
        options = {name: fields.pop(name) for name in ("headers", "params") if name in fields}
        if text:
            message = {"id": fields.pop("local_id", "local"), "role": "user", "parts": [{"type": "text", "text": text}]}
            fields = {"messages": [message]} | fields
        body = {"id": chat_id, "trigger": "submit-message"} | fields
        async with self.events("/ui/chat", method="POST", json=body, **options) as events:
            yield events

    async def chat(self, chat_id: str, text: str = "", **fields: Any) -> UIStream:
        """Post as `useChat` does, and read the whole answer as a strict client does."""
        stream = UIStream()
        async with self.posting(chat_id, text, **fields) as events:
            async for _, chunk in events:
                stream.feed(chunk)
        return stream

    async def messages(self, conversation: str) -> list[dict[str, Any]]:
        """The branch shown, oldest first."""
        page = await self.ok("GET", f"/conversations/{conversation}/messages")
        items: list[dict[str, Any]] = page["items"]
        return items

    @asynccontextmanager
    async def events(self, path: str, **options: Any) -> AsyncIterator[AsyncIterator[tuple[int, dict[str, Any]]]]:
        """The stream at the path, as (id, chunk) pairs; it ends with `[DONE]`."""
        async with aconnect_sse(self.http, options.pop("method", "GET"), path, **options) as source:
            assert source.response.status_code == 200, await source.response.aread()

            async def pairs() -> AsyncIterator[tuple[int, dict[str, Any]]]:
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        return
                    yield int(event.id or -1), orjson.loads(event.data)
                raise AssertionError("the stream ended without [DONE]")

            yield pairs()

    async def read(self, run_id: str, after: int | None = None) -> tuple[list[int], UIStream]:
        """The run's whole stream: its event ids, and the message as a strict client builds it."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        ids, stream = [], UIStream()
        async with self.events(f"/runs/{run_id}/stream", headers=headers) as events:
            async for number, chunk in events:
                ids.append(number)
                stream.feed(chunk)
        return ids, stream

    async def at_rest(self, run_id: str) -> dict[str, Any]:
        """The run once it has come to rest: its stream is read to the end."""
        async with self.events(f"/runs/{run_id}/stream") as events:
            async for _ in events:
                pass
        run: dict[str, Any] = await self.ok("GET", f"/runs/{run_id}")
        return run

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator["Socket"]:
        """A chat socket, opened with a ticket."""
        ticket = (await self.ok("POST", "/auth/socket-ticket", 201))["ticket"]
        async with open_socket(self.server, ticket, **options) as socket:
            yield socket

    @asynccontextmanager
    async def device(self) -> AsyncIterator["Socket"]:
        """A device that listens to notices: it hears all that happens from here on."""
        async with self.socket(speaks="notices") as socket:
            assert await socket.frame() == {"type": "listening"}
            yield socket


class Socket:
    """A chat socket as the AI SDK's transport uses it."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def send(self, **frame: Any) -> None:
        """Send a frame; what the transport always sends is added."""
        always = {} if frame["type"] == "abort" else {"headers": {}, "body": {}}
        await self.connection.send(orjson.dumps(always | frame).decode())

    async def ask(self, request_id: str, conversation: str, text: str, **changes: Any) -> None:
        """Send one message of the user."""
        messages = [{"id": "local", "role": "user", "parts": [{"type": "text", "text": text}]}]
        frame = {"trigger": "submit-message", "messages": messages, **changes}
        await self.send(type="send", requestId=request_id, id=conversation, **frame)

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(_TIMEOUT_S):
            frame: dict[str, Any] = orjson.loads(await self.connection.recv())
        return frame

    async def read(self, request_id: str, stream: UIStream | None = None) -> UIStream:
        """The answer to a request, up to its end, behind what `stream` has; asserts that the sequence has no gap."""
        stream, sequence = stream or UIStream(), 0
        while (frame := await self.frame())["type"] == "chunk":
            assert frame["requestId"] == request_id
            assert frame["sequence"] == sequence
            stream.feed(frame["chunk"])
            sequence += 1
        assert frame == {"type": "end", "requestId": request_id}
        return stream

    async def read_rest(self) -> dict[str, Any]:
        """Read what is left of an answer; returns its last chunk."""
        last: dict[str, Any] = {}
        while (frame := await self.frame())["type"] == "chunk":
            last = frame["chunk"]
        return last

    async def close_code(self) -> int | None:
        """Read until the server closes, and return its code."""
        async with asyncio.timeout(_TIMEOUT_S):
            with contextlib.suppress(websockets.ConnectionClosedError):
                async for _ in self.connection:
                    pass
        return self.connection.close_code


@asynccontextmanager
async def open_socket(server: str, ticket: str, **options: Any) -> AsyncIterator[Socket]:
    """A socket with a ticket of any kind. It `speaks` "chat", or "notices"."""
    speaks = options.pop("speaks", "chat")
    url = f"{server.replace('http://', 'ws://')}/ws/{speaks}"
    protocols = [f"eloquent.{speaks}.v1", f"ticket.{ticket}"]
    if options.pop("in_query", False):
        url, protocols = f"{url}?ticket={ticket}", protocols[:1]
    async with websockets.connect(url, subprotocols=protocols, compression=None, proxy=None, **options) as connection:  # type: ignore[arg-type]
        yield Socket(connection)
