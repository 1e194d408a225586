"""A real MCP server (the package's own) with tools that do as told, behind a wire that freezes and breaks on demand.

It speaks both ways of the protocol: without a handshake, and, as `legacy`, with one and with sessions.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp_types import ToolAnnotations

from tests.uvicorn_server import running_server

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class FakeMcp:
    """What a test sees and moves. Get one from `mcp_server`."""

    def __init__(self, *, legacy: bool = False) -> None:
        self.url = ""
        self.legacy = legacy
        self.methods: list[str] = []
        """The JSON-RPC method of each request, and DELETE."""
        self.tokens: set[str | None] = set()
        self.calls: asyncio.Queue[str] = asyncio.Queue()
        """The name of each tool that has begun."""
        self.gate = asyncio.Event()
        """What `waits` waits for."""
        self.open = asyncio.Event()
        """Cleared, not a byte passes the wire in either direction."""
        self.open.set()
        self.connected = asyncio.Event()
        """Set with the first connection."""
        self.server = MCPServer("fake")
        self.writers: set[asyncio.StreamWriter] = set()
        self._tools()

    def cut(self) -> None:
        """Break every connection, as a process does that is killed."""
        for writer in self.writers:
            writer.transport.abort()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server's application, looked at on the way in."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = dict(scope["headers"])
        self.tokens.add(headers[b"authorization"].decode() if b"authorization" in headers else None)
        if scope["method"] != "POST":
            self.methods.append(scope["method"])
            await self._inner(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        told = json.loads(body)
        self.methods.append(told["method"])
        if self.legacy and told["method"] == "server/discover":
            error = {"jsonrpc": "2.0", "id": told["id"], "error": {"code": -32601, "message": "Method not found"}}
            await answer_with(json.dumps(error).encode(), status=400)(scope, receive, send)
            return
        sent = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> dict[str, Any]:
            return sent.pop() if sent else await receive()

        await self._inner(scope, again, send)

    @property
    def _inner(self) -> Any:
        if not hasattr(self, "_app"):
            self._app = self.server.streamable_http_app()
        return self._app

    def _tools(self) -> None:
        server = self.server

        @server.tool(annotations=ToolAnnotations(read_only_hint=True))
        async def add(a: int, b: int) -> str:
            """Add two
            numbers."""
            await self.calls.put("add")
            return str(a + b)

        @server.tool()
        async def waits() -> str:
            """Wait until told."""
            await self.calls.put("waits")
            await self.gate.wait()
            return "waited"

        @server.tool()
        async def writes(length: int) -> str:
            """Write so many letters."""
            return "x" * length

        @server.tool()
        async def fails() -> str:
            """Fail."""
            raise RuntimeError("the disk is full")

        @server.tool(name="files.read")
        async def files_read() -> dict[str, str]:
            """Structured."""
            return {"name": "ö"}

        @server.tool(structured_output=False)
        async def draws() -> list[Any]:
            """Words and a picture."""
            return ["before", Image(data=b"\x89PNG", format="png")]


def answer_with(
    body: bytes, *, status: int = 200, content_type: str = "application/json", more: bool = False, **headers: str
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An application that gives every request this answer; with `more` it never ends it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        lines = [(b"content-type", content_type.encode())]
        lines += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body, "more_body": more})
        while more:
            if (await receive())["type"] == "http.disconnect":
                return

    return app


@asynccontextmanager
async def mcp_server(*, legacy: bool = False) -> AsyncIterator[FakeMcp]:
    """Serve one on loopback, in the running loop, for as long as the block runs."""
    fake = FakeMcp(legacy=legacy)
    async with running_server(fake, timeout_graceful_shutdown=1) as inner, _wire(fake, inner):
        yield fake
        # A server waits for what it is still asked; the tests do not.
        fake.gate.set()
        fake.open.set()
        fake.cut()


@asynccontextmanager
async def _wire(fake: FakeMcp, inner: str) -> AsyncIterator[None]:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                await fake.open.wait()
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fake.writers.add(writer)
        fake.connected.set()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(inner.rpartition(":")[2]))
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))
        fake.writers.discard(writer)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    async with server:
        yield
