"""Where a request comes from, and what a device is called in the list of sessions: "Firefox on Linux"."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

import msgspec
from django.http import HttpRequest

from accounts.addresses import client_address
from eloquent.foundation.config import get_config

UNKNOWN_DEVICE: Final = "Unknown device"

# The first that occurs wins: Edge and Opera also say Chrome, and Chrome also says Safari.
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-httpx/", "Python program"),
    ("okhttp/", "Android app"),
    ("node", "Node.js program"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


class Device(msgspec.Struct, frozen=True):
    """Where a request comes from: an IP address, and the User-Agent as it was sent. Either may be empty."""

    address: str = ""
    user_agent: str = ""


# Set by the desk road's middleware, for those who record what staff do and are given no request.
device_var: ContextVar[Device | None] = ContextVar("device", default=None)


def device_of(request: HttpRequest) -> Device:
    """Where the request comes from, behind as many proxies as are ours."""
    meta = request.META
    hops = get_config().trusted_proxy_hops
    address = client_address(meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR"), trusted_hops=hops)
    return Device(address, meta.get("HTTP_USER_AGENT", ""))


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """The same of a websocket, by its ASGI scope: its address."""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    peer = scope.get("client")
    return client_address(peer[0] if peer else None, ",".join(forwarded), trusted_hops=get_config().trusted_proxy_hops)


def device_label(user_agent: str) -> str:
    """A short name for people, at most 40 characters; it proves nothing, since any client can send any text."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program and system:
        return f"{program} on {system}"
    return program or system or UNKNOWN_DEVICE
