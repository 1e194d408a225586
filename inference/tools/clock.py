"""The time, which a language model cannot know."""

import zoneinfo
from datetime import UTC, datetime
from functools import lru_cache

from inference.tools.base import ToolFailed
from inference.tools.registry import tool


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Every zone's name by itself in lower case. Only these are opened: a name is also a path below a directory."""
    return {name.casefold(): name for name in zoneinfo.available_timezones()}


@tool(timeout_s=5)
def current_time(zone: str = "UTC") -> dict[str, str]:
    """The current date and time in a time zone, with the weekday.

    Args:
        zone: the zone's name in the IANA database, such as Europe/Berlin or America/New_York
    """
    name = _zones().get(zone.strip().replace(" ", "_").casefold())
    if name is None:
        raise ToolFailed(f"There is no time zone named “{zone[:100]}”. Use an IANA name such as Europe/Berlin or UTC.")
    time = datetime.now(UTC).astimezone(zoneinfo.ZoneInfo(name))
    return {"time": time.isoformat(timespec="seconds"), "weekday": f"{time:%A}", "zone": name}
