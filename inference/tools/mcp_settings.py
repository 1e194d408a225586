"""The MCP servers that the settings name. What is wrong with one leaves the others alone.

`MCP_SERVERS` is a JSON object: a short name for each server, and what is known of it.

    {"weather": {"url": "https://weather.example.org/mcp", "token": "…", "tools": ["forecast"]}}
"""

import json
import re
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from eloquent.foundation.config import Config
from eloquent.foundation.ssrf import AddressRefused, AllowedHost, Guard

# With the tool's own name behind it, it must stay below the 64 characters that language models take.
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,23}")
_TOKEN: Final = re.compile(r"[!-~]{1,4096}")
MOST_SERVERS: Final = 20


class McpServer(BaseModel):
    """One server.

    `tools` are the names that may be used, None for all. `needs_approval` says for all of them whether the user is to
    be asked before a call; None asks unless the server says that the tool only reads. Who lacks `permission` is
    neither shown the tools nor can call them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    url: str
    token: SecretStr | None = None
    tools: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=128)]], Field(max_length=100)] | (
        None
    ) = None
    needs_approval: bool | None = None
    permission: str | None = None


class McpSettings(BaseModel):
    """What can be used of the settings, and a sentence for each part that cannot."""

    servers: dict[str, McpServer]
    faults: list[str]
    allowed: list[AllowedHost]

    @property
    def guard(self) -> Guard:
        """Says where the servers may be."""
        return Guard(self.allowed)


def mcp_settings(config: Config) -> McpSettings:
    """Read `MCP_SERVERS` and `MCP_ALLOWED_HOSTS`. No sentence has a token in it."""
    read = McpSettings(servers={}, faults=[], allowed=[])
    for entry in config.mcp_allowed_hosts:
        try:
            read.allowed.append(AllowedHost.read(entry))
        except ValueError as error:
            read.faults.append(f"MCP_ALLOWED_HOSTS: {error}.")
    for name, value in _entries(config.mcp_servers.get_secret_value(), read.faults).items():
        try:
            read.servers[name] = _server(name, value, read.guard)
        except ValueError as error:
            read.faults.append(f"MCP_SERVERS: {name[:50]}: {error}")
    return read


def _entries(text: str, faults: list[str]) -> dict[str, object]:
    if not text.strip():
        return {}
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, dict) or len(entries) > MOST_SERVERS:
        faults.append(f"MCP_SERVERS: it is not a JSON object with at most {MOST_SERVERS} servers.")
        return {}
    return entries


def _server(name: str, value: object, guard: Guard) -> McpServer:
    """The server, or a ValueError with what is wrong with it."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name is up to 24 lower-case letters, digits and hyphens, a letter first.")
    try:
        server = McpServer.model_validate(value)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"{wrong}.") from None
    if server.token is not None and not _TOKEN.fullmatch(server.token.get_secret_value()):
        raise ValueError("the token has characters that no header can carry, or is empty or too long.")
    try:
        guard.check(server.url)
    except AddressRefused as error:
        raise ValueError(f"{error} See MCP_ALLOWED_HOSTS.") from None
    return server
