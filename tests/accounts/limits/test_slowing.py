"""How guessing is slowed: the arithmetic, and that Redis does the same."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.limits import levels, reaching, slowing
from accounts.limits.slowing import FREE, LEAK_S, LOCKED, Level


def tries_within(seconds: float) -> int:
    """How many tries somebody has who tries whenever he may."""
    level, at, made = Level(), 0.0, 0
    while at < seconds:
        level, made = slowing.tried(level, at), made + 1
        at += max(0.0, slowing.wait_s(level, at))
    return made


def test_the_first_tries_are_free_then_each_waits_twice_as_long_then_it_is_locked() -> None:
    level, waits = Level(), []
    for _ in range(LOCKED):
        waits.append(wait := max(0.0, slowing.wait_s(level, level.at)))
        level = slowing.tried(level, level.at + wait)
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE:] == [30.0, 60.0, 120.0, 240.0, 480.0]
    assert slowing.wait_behind(LOCKED) == LEAK_S
    assert not slowing.is_locked(LOCKED - 1)
    assert slowing.is_locked(LOCKED - 0.3)


def test_a_guesser_has_about_a_hundred_tries_a_day() -> None:
    assert tries_within(60) <= FREE + 2
    assert tries_within(86_400) <= 115
    assert tries_within(2 * 86_400) - tries_within(86_400) <= 97


def test_whoever_stops_is_forgotten() -> None:
    level = Level(12.0, 0.0)
    assert slowing.tried(level, 13 * LEAK_S).tries == 1.0
    assert slowing.taken_back(Level(0.4, 5.0)) == Level(0.0, 5.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"at": 1_800_000_000.0}
    monkeypatch.setattr(levels, "_now", lambda: now["at"])
    return now


step = st.tuples(st.sampled_from(["take", "take", "take", "back"]), st.floats(0, 1200).map(lambda s: round(s, 3)))


@pytest.mark.django_db
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(step, min_size=5, max_size=25))
async def test_redis_and_the_process_slow_alike(clock: dict[str, float], steps: Any) -> None:
    key = uuid4().hex

    async def outcome() -> list[Any]:
        clock["at"], seen = 1_800_000_000.0, []
        for what, wait_s in steps:
            clock["at"] += wait_s * (what == "take")
            if what == "back":
                await levels.take_back(key)
            else:
                seen += [pytest.approx(value, abs=1e-3) for value in await levels.take(key)]
        return seen

    shared = await outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reaching, "redis_client", lambda: None)
        assert [one.expected for one in await outcome()] == shared


@pytest.mark.django_db
async def test_an_email_that_was_made_up_is_kept_for_a_quarter_of_an_hour() -> None:
    await levels.take("made-up")
    client = reaching.reachable()
    assert client is not None
    assert 0 < await client.ttl("eloquent:guess:made-up") <= LEAK_S + 1
    await levels.take_back("made-up")
    assert not await client.exists("eloquent:guess:made-up")


async def test_made_up_emails_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "redis_client", lambda: None)
    monkeypatch.setattr(levels, "MOST_IN_PROCESS", 10)
    for number in range(30):
        await levels.take(str(number))
        for _ in range(2):
            await levels.take("tried")
    assert len(levels._in_process) == 10
    assert (await levels.take("tried"))[0] > 0, "who is tried all the time is not the one to go"
