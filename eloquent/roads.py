"""The two roads through the front door, and what an ASGI application is made of."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ROAD: Final = frozenset({"api", "v1", ".well-known", "healthz", "readyz"})
"""First segments of the request road's paths. Every other path is the desk road's."""


def on_request_road(scope: Scope) -> bool:
    """Whether an HTTP request goes down the request road, by the first segment of its path."""
    return inner_path(scope)[1:].partition("/")[0] in REQUEST_ROAD


def inner_path(scope: Scope) -> str:
    """The path below where the application is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
