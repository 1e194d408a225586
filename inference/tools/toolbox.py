"""Every tool there is, wherever it lives: our own, and those of MCP servers. This is what a run asks."""

import asyncio
from collections.abc import Iterable

from eloquent.foundation.config import get_config
from inference.tools import calculator, clock, knowledge, registry
from inference.tools.base import Caller, ToolResult
from inference.tools.mcp import McpTools
from inference.tools.mcp_settings import mcp_settings
from inference.types import Tool

# Importing them has registered them.
OWN = (calculator, clock, knowledge)


async def tools_for(user_permissions: Iterable[str]) -> tuple[Tool, ...]:
    """What a user with these permissions may use, our own first, always in the same order.

    Takes no time but for the first question after a start, when each server has `LISTING_LIMIT_S`, twice, to answer.
    """
    permissions = frozenset(user_permissions)
    return registry.tools_for(permissions) + await _mcp().tools(permissions)


def asks_permissions() -> bool:
    """Whether some tool is only for those with a permission. When none is, nobody need look them up."""
    return registry.registered.asks_permissions() or _mcp().asks_permissions()


def needs_approval(name: str) -> bool:
    """Whether the user is to be asked before a call of this tool. Yes for one of a server that nobody has asked yet."""
    return _mcp().needs_approval(name) if "__" in name else registry.needs_approval(name)


async def call(name: str, arguments_json: str, *, user: Caller) -> ToolResult:
    """Call a tool for a user. A failure of any kind is a result with a sentence; only a cancellation is raised.

    Whether the user agreed is not asked here: see `needs_approval`.
    """
    source = _mcp() if "__" in name else registry.registered
    return await source.call(name, arguments_json, user=user)


async def close_tools() -> None:
    """End what this event loop's tools have running: the server calls it when it stops."""
    global _current  # noqa: PLW0603  (one a process: it is a cache)
    if _current is not None and _current[0] is asyncio.get_running_loop():
        _, tools = _current
        _current = None
        await tools.aclose()


_current: tuple[asyncio.AbstractEventLoop, McpTools] | None = None


def _mcp() -> McpTools:
    global _current  # noqa: PLW0603  (as above)
    loop = asyncio.get_running_loop()
    if _current is None or _current[0] is not loop:
        # Tasks belong to a loop: a command's second asyncio.run starts anew.
        _current = (loop, McpTools(mcp_settings(get_config())))
    return _current[1]
