"""A value read once for everybody, and how old it may get."""

import asyncio

import pytest

from eloquent.foundation import remembered
from eloquent.foundation.logs import request_id_var
from eloquent.foundation.remembered import FAILED_FRESH_S, FRESH_S, READING_LIMIT_S, STALE_S, Remembered
from tests.inference.test_catalog import Clock


class Reading:
    """Counts how often the value is read, and holds or breaks the reading."""

    def __init__(self) -> None:
        self.value: list[str] = []
        self.times = 0
        self.error: Exception | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self) -> list[str]:
        self.times += 1
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        return self.value


async def test_what_is_read_for_everybody_is_not_read_in_the_name_of_who_came_first() -> None:
    async def read() -> str | None:
        return request_id_var.get()

    token = request_id_var.set("the-first-one")
    value: Remembered[str | None] = Remembered("whose", read, "unread")
    assert await value.current() is None
    request_id_var.reset(token)


async def test_many_who_ask_at_once_cost_one_reading() -> None:
    reading = Reading()
    value = Remembered("the list", reading, [])
    reading.goes_on.clear()
    asking = [asyncio.ensure_future(value.current()) for _ in range(20)]
    await asyncio.sleep(0)
    reading.goes_on.set()
    await asyncio.gather(*asking)
    await value.current()
    assert reading.times == 1


async def test_one_who_leaves_does_not_end_the_reading_of_the_others() -> None:
    reading = Reading()
    value = Remembered("the list", reading, [])
    reading.goes_on.clear()
    first, second = (asyncio.ensure_future(value.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    reading.value = ["a"]
    reading.goes_on.set()
    assert await second == ["a"]


async def test_nothing_older_than_its_time_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FRESH_S", 0.0)
    monkeypatch.setattr(remembered, "STALE_S", 0.0)
    reading = Reading()
    value = Remembered("the list", reading, [])
    assert await value.current() == []
    reading.value = ["a"]
    assert await value.current() == ["a"]


async def test_while_it_is_fresh_enough_nobody_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FRESH_S", 0.0)
    reading = Reading()
    value = Remembered("the list", reading, [])
    await value.current()
    reading.goes_on.clear()
    assert await value.current() == []
    await asyncio.sleep(0)
    assert reading.times == 2
    await value.aclose()


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "hangs"])
async def test_a_database_that_is_away_leaves_the_last_value_in_force(
    monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    monkeypatch.setattr(remembered, "FRESH_S", 0.0)
    monkeypatch.setattr(remembered, "STALE_S", 0.0)
    monkeypatch.setattr(remembered, "FAILED_FRESH_S", 0.0)
    monkeypatch.setattr(remembered, "READING_LIMIT_S", 0.02)
    reading = Reading()
    reading.value = ["a"]
    value = Remembered("the list", reading, [])
    await value.current()
    if is_gone:
        reading.error = ConnectionError("gone")
    else:
        reading.goes_on.clear()
    assert await value.current() == ["a"]
    reading.error, reading.value = None, []
    reading.goes_on.set()
    assert await value.current() == []


def test_a_decision_is_everywhere_within_five_seconds_although_a_reading_fails() -> None:
    assert STALE_S + READING_LIMIT_S + FAILED_FRESH_S <= 5


async def test_a_reading_that_failed_is_done_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reading = Clock(monkeypatch), Reading()
    value = await one_that_failed(reading, clock)
    clock.ahead_s += FAILED_FRESH_S
    await value.current()
    await value._reading
    assert (await value.current(), reading.times) == (["a"], 3)


async def test_after_one_reading_that_failed_nothing_older_is_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reading = Clock(monkeypatch), Reading()
    value = await one_that_failed(reading, clock)
    clock.ahead_s += STALE_S - FRESH_S
    assert await value.current() == ["a"]


async def test_while_the_database_is_away_nobody_waits_for_each_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reading = Clock(monkeypatch), Reading()
    value = await one_that_failed(reading, clock)
    clock.ahead_s += STALE_S
    reading.error = ConnectionError("gone")
    await value.current()
    clock.ahead_s += FAILED_FRESH_S
    reading.goes_on.clear()
    assert await value.current() == []
    assert value._reading is not None
    assert not value._reading.done()
    await asyncio.sleep(0)
    assert reading.times == 4
    await value.aclose()


async def one_that_failed(reading: Reading, clock: Clock) -> Remembered[list[str]]:
    """An empty list that was read once and then could not be; by now it would be `["a"]`."""
    value: Remembered[list[str]] = Remembered("the list", reading, [])
    await value.current()
    clock.ahead_s += FRESH_S
    reading.error = ConnectionError("a hiccup")
    await value.current()
    assert value._reading is not None
    await value._reading
    reading.error, reading.value = None, ["a"]
    return value
