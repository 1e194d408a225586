"""Where a request comes from, and what a device is called in the list of sessions: "Firefox on Linux". Pure."""

from typing import Final

import msgspec

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


def device_label(user_agent: str) -> str:
    """A short name for people, at most 40 characters; it proves nothing, since any client can send any text."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program and system:
        return f"{program} on {system}"
    return program or system or UNKNOWN_DEVICE
