"""Tools of MCP servers, beside our own: named `server__tool`, listed once a minute, called with a limit.

A server that is down, slow or talks nonsense hides its own tools and nobody else's, and a call of it is a result with a
sentence. Whoever asks while a list is made anew gets the last one.
"""

import asyncio
import re
from collections.abc import Iterable
from contextvars import Context
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
import structlog

from eloquent.foundation.patience import asked_twice
from eloquent.foundation.ssrf import Guard
from eloquent.foundation.tasks import end_task
from inference.tools.base import LONGEST_ARGUMENTS, Caller, ToolFailed, ToolResult, failure, unknown
from inference.tools.mcp_settings import McpServer, McpSettings
from inference.types import Tool

if TYPE_CHECKING:
    from inference.tools.mcp_client import Listing, Offer

FRESH_S: Final = 60.0
FAILED_FRESH_S: Final = 15.0
"""A server that could not be listed is asked again after this."""
STALE_S: Final = 600.0
"""A list this old is not served while a new one is made."""
LISTING_LIMIT_S: Final = 5.0
CALL_LIMIT_S: Final = 30.0
LONGEST_NAME: Final = 64
LONGEST_DESCRIPTION: Final = 1000
LARGEST_SCHEMA: Final = 8000
"""Bytes of JSON: what a tool costs of every prompt."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")

log = structlog.get_logger(__name__)


class McpTools:
    """The tools of all configured servers. Belongs to one event loop; close it with `aclose`."""

    def __init__(self, settings: McpSettings) -> None:
        guard = settings.guard
        self._sources = {name: _Source(name, server, guard) for name, server in settings.servers.items()}

    async def tools(self, user_permissions: Iterable[str]) -> tuple[Tool, ...]:
        """What a user with these permissions may use, servers and tools in the order of their names."""
        permissions = frozenset(user_permissions)
        sources = [source for _, source in sorted(self._sources.items()) if source.allowed(permissions)]
        listings = await asyncio.gather(*(source.entries() for source in sources))
        return tuple(entry.tool for entries in listings for _, entry in sorted(entries.items()))

    def asks_permissions(self) -> bool:
        """Whether some server is only for those with a permission."""
        return any(not source.allowed(frozenset()) for source in self._sources.values())

    def needs_approval(self, name: str) -> bool:
        """Whether the user is to be asked before the call. Of a tool that is in no list yet nobody knows: then, too."""
        source = self._sources.get(name.partition("__")[0])
        return source is None or source.needs_approval(name)

    async def call(self, name: str, arguments_json: str, *, user: Caller) -> ToolResult:
        """Call a tool for a user. A failure of any kind is a result with a sentence; only a cancellation is raised."""
        source = self._sources.get(name.partition("__")[0])
        if source is None or not source.allowed(user.permissions):
            return unknown(name)
        try:
            arguments = _object_of(arguments_json)
        except ToolFailed as error:
            return failure(str(error))
        return await source.call(name, arguments)

    async def aclose(self) -> None:
        """End the lists that are being made."""
        await asyncio.gather(*(source.aclose() for source in self._sources.values()))


class _Entry(msgspec.Struct, frozen=True):
    """A tool under the name that language models see, and the one that its server knows."""

    tool: Tool
    name: str
    needs_approval: bool


class _Source:
    """One server, with what it offered last."""

    def __init__(self, name: str, server: McpServer, guard: Guard) -> None:
        self._name = name
        self._server = server
        self._guard = guard
        self._entries: dict[str, _Entry] = {}
        self._mode = "auto"
        self._listed_at: float | None = None
        self._failed = False
        self._listing: asyncio.Task[None] | None = None

    def allowed(self, permissions: frozenset[str]) -> bool:
        return self._server.permission is None or self._server.permission in permissions

    def needs_approval(self, name: str) -> bool:
        entry = self._entries.get(name)
        return entry is None or entry.needs_approval

    async def entries(self) -> dict[str, _Entry]:
        """The tools by their shown names; empty while the server cannot be listed."""
        age = asyncio.get_running_loop().time() - self._listed_at if self._listed_at is not None else None
        if age is None or age >= (FAILED_FRESH_S if self._failed else FRESH_S):
            if self._listing is None or self._listing.done():
                self._listing = asyncio.create_task(self._list(), context=Context())
            if age is None or age >= STALE_S:
                # Shielded: the list is made for everybody, so one reader who leaves does not end it.
                await asyncio.shield(self._listing)
        return self._entries

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        entry = (await self.entries()).get(name)
        if entry is None:
            if self._failed:
                return failure(f"The server of {name[:100]} cannot be reached. Do without it.")
            return unknown(name)
        limit = asyncio.timeout(CALL_LIMIT_S)
        try:
            async with limit:
                from inference.tools.mcp_client import call_offer  # the package is large, and may be missing

                return await call_offer(
                    self._server, self._guard, self._mode, name=entry.name, shown_name=name, arguments=arguments
                )
        except ToolFailed as error:
            log.warning("an MCP server failed", server=self._name, tool=entry.name, error=repr(error.__cause__))
            return failure(str(error))
        except Exception as error:  # noqa: BLE001  (whatever a server does, the answer goes on)
            if limit.expired():
                log.warning("an MCP server took too long", server=self._name, tool=entry.name)
                return failure(f"{name} took longer than {CALL_LIMIT_S:g} s and was given up.")
            log.warning("an MCP server failed", server=self._name, tool=entry.name, error=_causes_of(error))
            return failure(f"The server of {name} broke off or did not answer as it should. Do without it.")

    async def aclose(self) -> None:
        if self._listing is not None:
            await end_task(self._listing)

    async def _list(self) -> None:
        try:
            listing = await asked_twice(self._listed, limit_s=LISTING_LIMIT_S)
            self._entries, self._mode = self._entries_of(listing), listing.mode
            self._failed = False
        except Exception as error:  # noqa: BLE001  (whatever ails one server, the others are listed)
            if not self._failed:
                log.warning("an MCP server does not list its tools", server=self._name, error=_causes_of(error))
            self._entries, self._failed = {}, True
        self._listed_at = asyncio.get_running_loop().time()

    async def _listed(self) -> "Listing":
        # In a thread: half a second of imports would hold up every answer of this process, once.
        await asyncio.to_thread(import_module, "mcp")
        from inference.tools.mcp_client import list_offers  # as above

        return await list_offers(self._server, self._guard)

    def _entries_of(self, listing: "Listing") -> dict[str, _Entry]:
        wanted = self._server.tools
        entries: dict[str, _Entry] = {}
        for offer in listing.offers:
            shown = f"{self._name}__{_NOT_IN_NAMES.sub('_', offer.name)}"
            if wanted is not None and offer.name not in wanted:
                continue
            if shown in entries or len(shown) > LONGEST_NAME or not _is_usable(offer):
                log.warning("a tool of an MCP server is left out", server=self._name, tool=offer.name[:100])
                continue
            description = " ".join(offer.description.split())[:LONGEST_DESCRIPTION]
            parameters = {key: value for key, value in offer.parameters.items() if key != "$schema"}
            approval = self._server.needs_approval
            entries[shown] = _Entry(
                Tool(shown, description, parameters),
                offer.name,
                not offer.reads_only if approval is None else approval,
            )
        return entries


def _is_usable(offer: "Offer") -> bool:
    """Whether its schema is an object's and small enough for every prompt."""
    try:
        return offer.parameters.get("type") == "object" and len(orjson.dumps(offer.parameters)) <= LARGEST_SCHEMA
    except TypeError:
        return False  # nested too deeply, or numbers that no JSON has


def _object_of(arguments_json: str) -> dict[str, Any]:
    if len(arguments_json) > LONGEST_ARGUMENTS:
        raise ToolFailed(f"The arguments are too long: {LONGEST_ARGUMENTS:,} characters is the most.")
    try:
        arguments = orjson.loads(arguments_json.strip() or "{}")
    except ValueError as error:
        raise ToolFailed("The arguments are not valid JSON. Call the tool again with a JSON object.") from error
    if not isinstance(arguments, dict):
        raise ToolFailed("The arguments are not a JSON object. Call the tool again with one.")
    return arguments


def _causes_of(error: BaseException) -> str:
    """The failures in a group, which says nothing itself, in one line for the log."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_causes_of(inner) for inner in error.exceptions)
    # Never what it says: a validation error repeats what a tool has answered.
    return type(error).__name__
