"""The clock: every IANA zone and nothing that is not one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.tools import clock
from inference.tools.base import Caller, ToolFailed
from inference.tools.registry import call


class _Noon(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003
        return datetime(2026, 7, 1, 12, 0, 0, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", {"time": "2026-07-01T14:00:00+02:00", "weekday": "Wednesday", "zone": "Europe/Berlin"}),
        (" europe/berlin ", {"time": "2026-07-01T14:00:00+02:00", "weekday": "Wednesday", "zone": "Europe/Berlin"}),
        ("america/new york", {"time": "2026-07-01T08:00:00-04:00", "weekday": "Wednesday", "zone": "America/New_York"}),
        (
            "Pacific/Kiritimati",
            {"time": "2026-07-02T02:00:00+14:00", "weekday": "Thursday", "zone": "Pacific/Kiritimati"},
        ),
    ],
)
async def test_the_time_in_a_zone(monkeypatch: pytest.MonkeyPatch, zone: str, expected: dict[str, str]) -> None:
    monkeypatch.setattr(clock, "datetime", _Noon)
    result = await call("current_time", json.dumps({"zone": zone}), user=Caller("1"))
    assert (json.loads(result.output_text), result.is_error) == (expected, False)


async def test_without_a_zone_it_is_now_in_utc() -> None:
    result = await call("current_time", "", user=Caller("1"))
    told = json.loads(result.output_text)
    assert told["zone"] == "UTC"
    assert abs(datetime.fromisoformat(told["time"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_zone_that_the_system_knows_has_a_time() -> None:
    for zone in available_timezones():
        assert clock.current_time(zone)["zone"] == zone


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../../etc/passwd", "/etc/localtime", "Europe", "UTC\x00", "\udcff", "x" * 10_000]
)
def test_an_unknown_zone_is_a_sentence(zone: str) -> None:
    with pytest.raises(ToolFailed, match=r"There is no time zone named .* Use an IANA name"):
        clock.current_time(zone)


@given(st.text())
def test_whatever_is_asked_for_is_a_zone_or_a_sentence(zone: str) -> None:
    try:
        said = clock.current_time(zone)["time"]
    except ToolFailed as error:
        said = str(error)
    assert 0 < len(said) < 300
