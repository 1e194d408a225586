"""What a device is called in the list of sessions: "Firefox on Linux", read from its User-Agent. Pure."""

from typing import Final

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


def device_label(user_agent: str) -> str:
    """A short name for people, at most 40 characters; it proves nothing, since any client can send any text."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program and system:
        return f"{program} on {system}"
    return program or system or UNKNOWN_DEVICE
