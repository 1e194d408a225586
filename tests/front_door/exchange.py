"""One request at an ASGI application, with a client that can leave when the test says so."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass
class Client:
    """The other end: gives the request's frames, keeps what is sent, and leaves at `leave()`."""

    frames: list[bytes]
    sent: list[dict[str, Any]] = field(default_factory=list)
    on_body: Callable[["Client"], Any] | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    ends_body: bool = True
    taken: int = 0
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    def leave(self) -> None:
        self.left.set()

    async def receive(self) -> dict[str, Any]:
        if self.taken < len(self.frames):
            frame = self.frames[self.taken]
            self.taken += 1
            more = self.taken < len(self.frames) or not self.ends_body
            return {"type": "http.request", "body": frame, "more_body": more}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def got(self, messages: int) -> None:
        """Return when so many messages have been sent."""
        while len(self.sent) < messages:
            self.grew.clear()
            async with asyncio.timeout(10):
                await self.grew.wait()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.grew.set()
        if message["type"] == "http.response.body" and message.get("body") and self.on_body is not None:
            await asyncio.sleep(0)
            self.on_body(self)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name.decode("ascii"), value.decode("latin-1")) for name, value in self.sent[0]["headers"]]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False) and len(self.sent) > 1


def scope_of(method: str, target: str, headers: Iterable[tuple[str, str]] = (), **extra: Any) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(b"host", b"testserver"), *((n.lower().encode(), v.encode("latin-1")) for n, v in headers)],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        **extra,
    }


async def exchange(
    handler: Any,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    frames: Iterable[bytes] = (b"",),
    *,
    on_body: Callable[[Client], Any] | None = None,
    ends_body: bool = True,
    **scope: Any,
) -> Client:
    """Run one request to its end and return the client that made it."""
    client = Client([*frames], on_body=on_body, ends_body=ends_body)
    async with asyncio.timeout(20):
        await handler(scope_of(method, target, headers, **scope), client.receive, client.send)
    return client
