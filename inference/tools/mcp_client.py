"""Talking to one MCP server over streamable HTTP: what it offers, and one call of it.

Imported only when a server is configured: the `mcp` package is half a second of imports, and may be missing. Every
exchange has a connection of its own, so a server that was restarted or sent somebody away is no special case. What a
server sends is bounded in bytes, and what it declares about itself is not run: a schema of results with a pattern of
its own could hold up the event loop.

The protocol: https://modelcontextprotocol.io/specification
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import mcp_types
import msgspec
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from eloquent.foundation.guarded_http import GuardedTransport
from eloquent.foundation.ssrf import Guard
from inference.tools.base import ToolFailed, ToolResult, failure, result_of
from inference.tools.mcp_settings import McpServer

CONNECT_LIMIT_S: Final = 3.0
GOODBYE_LIMIT_S: Final = 1.0
MOST_BYTES: Final = 1024 * 1024
MOST_REQUESTS: Final = 50
"""HTTP requests of one exchange. A server can have us reconnect and follow redirects, and would without end."""
MOST_PAGES: Final = 10
MOST_TOOLS: Final = 64
_LONGEST_COMPLAINT: Final = 500


class Offer(msgspec.Struct, frozen=True):
    """A tool as its server describes it. `reads_only` is the server's word."""

    name: str
    description: str
    parameters: dict[str, Any]
    reads_only: bool


class Listing(msgspec.Struct, frozen=True):
    """What a server offers, and the version of the protocol it speaks: "legacy" for those with a handshake."""

    offers: tuple[Offer, ...]
    mode: str


async def list_offers(server: McpServer, guard: Guard) -> Listing:
    """Ask a server for its tools, at most `MOST_TOOLS` of them.

    Raises:
        Exception: whatever the package, the network or the server makes of it, in groups too. The caller sets a limit.
    """
    offers: list[Offer] = []
    async with _connected(server, guard, "auto") as client:
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            offers += [
                Offer(
                    found.name,
                    found.description or found.title or "",
                    found.input_schema,
                    found.annotations is not None and found.annotations.read_only_hint is True,
                )
                for found in page.tools
            ]
            cursor = page.next_cursor
            if cursor is None or len(offers) >= MOST_TOOLS:
                break
        version = client.protocol_version
    return Listing(tuple(offers[:MOST_TOOLS]), version if version in MODERN_PROTOCOL_VERSIONS else "legacy")


async def call_offer(
    server: McpServer, guard: Guard, mode: str, *, name: str, shown_name: str, arguments: dict[str, Any]
) -> ToolResult:
    """Call a tool by the name that its server gave it. `shown_name` is what the language model calls it.

    Raises:
        ToolFailed: the server says that it cannot, or says too much.
        Exception: as for `list_offers`.
    """
    async with _connected(server, guard, mode) as client:
        try:
            result = await _called(client, name, arguments)
        except MCPError as error:
            if error.code == mcp_types.INVALID_PARAMS:
                complaint = " ".join(error.message.split())[:_LONGEST_COMPLAINT]
                raise ToolFailed(f"{shown_name} does not take these arguments: {complaint}") from error
            raise
    text = _text_of(result)
    if not result.is_error:
        return result_of(shown_name, text)
    return failure(result_of(shown_name, text).output_text or f"{shown_name} failed and did not say why.")


async def _called(client: Client, name: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
    # Not `client.call_tool`: that lists the tools once more, to run the server's own schema over its own result.
    request = mcp_types.CallToolRequest(params=mcp_types.CallToolRequestParams(name=name, arguments=arguments))
    try:
        return await client.session.send_request(request, mcp_types.CallToolResult)
    except MCPError as error:
        if error.code != mcp_types.HEADER_MISMATCH:
            raise
        # It wants arguments in headers, too, and which ones stands in its list.
        await client.session.list_tools()
        return await client.session.send_request(request, mcp_types.CallToolResult)


@asynccontextmanager
async def _connected(server: McpServer, guard: Guard, mode: str) -> AsyncIterator[Client]:
    transport = GuardedTransport(guard, most_bytes=MOST_BYTES)
    headers = {"Authorization": f"Bearer {server.token.get_secret_value()}"} if server.token is not None else {}
    try:
        async with (
            httpx2.AsyncClient(
                transport=transport,
                headers=headers,
                # Reading has the limit of the whole exchange, which the caller sets: a tool may be silent at work.
                timeout=httpx2.Timeout(None, connect=CONNECT_LIMIT_S, pool=CONNECT_LIMIT_S),
                trust_env=False,
                event_hooks={"request": [_Manners()]},
            ) as http,
            Client(
                streamable_http_client(server.url, http_client=http, max_sse_event_size=MOST_BYTES),
                mode=mode,
                cache=None,
                client_info=mcp_types.Implementation(name="eloquent", version="1"),
            ) as client,
        ):
            yield client
    except Exception as error:
        if transport.overflowed:
            raise ToolFailed("The server of this tool answered with too much. Ask for less.") from error
        raise


class _Manners:
    """What every request of one exchange keeps to."""

    def __init__(self) -> None:
        self._requests = 0

    async def __call__(self, request: httpx2.Request) -> None:
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            raise httpx2.RequestError(f"more than {MOST_REQUESTS} requests in one exchange", request=request)
        if request.method == "DELETE":
            # The end of a session is sent while we are leaving: a frozen server must not keep us.
            request.extensions["timeout"] = httpx2.Timeout(GOODBYE_LIMIT_S).as_dict()


def _text_of(result: mcp_types.CallToolResult) -> str:
    parts = [_text_of_block(block) for block in result.content]
    if not parts and result.structured_content is not None:
        return msgspec.json.encode(result.structured_content).decode()
    return "\n".join(parts)


def _text_of_block(block: mcp_types.ContentBlock) -> str:
    match block:
        case mcp_types.TextContent():
            return block.text
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as resource):
            return resource.text
        case mcp_types.ResourceLink():
            return f"[{block.name}: {block.uri}]"
        case _:
            return f"[{block.type}, which cannot be shown here]"
