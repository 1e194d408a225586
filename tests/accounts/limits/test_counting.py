"""Counting in one process, by a clock that the test turns."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.limits import counting
from accounts.limits.counting import REFUSED, Counter, Window
from accounts.limits.policies import Policy


def counter_of(amount: int, seconds: int = 60) -> tuple[Counter, list[Window]]:
    changed: list[Window] = []
    return Counter(Policy("test", amount, seconds), changed.append), changed


def test_so_many_are_let_in_and_each_is_told_how_many_are_left() -> None:
    counter, _ = counter_of(3)
    assert [counter.take("me", 600.0) for _ in range(5)] == [2, 1, 0, REFUSED, REFUSED]
    assert counter.take("you", 600.0) == 2
    assert counter.take("me", 600.0, amount=4) == 0


def test_what_was_counted_fades_while_the_next_window_runs() -> None:
    counter, _ = counter_of(10)
    assert [counter.take("me", 659.0) for _ in range(10)][-1] == 0
    assert counter.take("me", 660.0) == REFUSED, "no second amount behind a window's end"
    taken = [at for at in range(660, 720) if counter.take("me", float(at)) != REFUSED]
    assert len(taken) == 9, "as much as has faded"
    assert min(taken) in {666, 667}
    assert counter.take("me", 900.0) == 9


@given(
    amount=st.integers(1, 40),
    seconds=st.integers(1, 3600),
    steps=st.lists(st.floats(0, 3.0), min_size=1, max_size=120),
)
def test_never_more_than_the_amount_in_a_window_and_the_wait_is_true(
    amount: int, seconds: int, steps: list[float]
) -> None:
    counter, _ = counter_of(amount, seconds)
    at, taken = 1_000_000.0, []
    for step in steps:
        at += step * seconds / amount
        left = counter.take("me", at)
        if left == REFUSED:
            wait_s = counter.wait_s("me", at)
            assert 0 < wait_s <= 2 * seconds
            later = at + wait_s * 1.000_001 + 1e-5
            assert counter.take("me", at + wait_s * 0.99 - 0.002 * seconds) == REFUSED
            at = later
            assert counter.take("me", at) != REFUSED
        taken.append(at)
        window = at // seconds
        assert sum(one // seconds == window for one in taken) <= amount


def test_a_clock_that_goes_back_a_little_gives_nothing_away() -> None:
    counter, _ = counter_of(2)
    assert [counter.take("me", 660.0), counter.take("me", 660.0)] == [1, 0]
    assert counter.take("me", 659.9) == REFUSED


def test_what_others_counted_is_counted() -> None:
    counter, changed = counter_of(5)
    assert counter.take("me", 600.0) == 4
    changed[0].others = 3
    assert counter.take("me", 600.0) == 0
    assert counter.take("me", 600.0) == REFUSED


def test_a_change_is_noted_once_until_it_was_told() -> None:
    counter, changed = counter_of(50)
    for _ in range(5):
        counter.take("me", 600.0)
    assert len(changed) == 1
    changed[0].is_noted = False
    counter.take("me", 600.0)
    assert len(changed) == 2


def test_who_has_not_come_for_long_is_forgotten(monkeypatch: Any) -> None:
    counter, _ = counter_of(5)
    for number in range(100):
        counter.take(str(number), 600.0)
    for number in range(100):
        counter.take(f"later {number}", 780.0)
    assert len(counter) == 100
    monkeypatch.setattr(counting, "MOST", 50)
    for number in range(100):
        counter.take(f"much later {number}", 780.0)
    assert len(counter) <= 100
    assert counter.take("much later 99", 780.0) == 3


@pytest.mark.parametrize(("at", "ends_in_s"), [(600.0, 60), (600.5, 60), (601.0, 59), (659.9, 1)])
def test_a_window_ends_in_whole_seconds(at: float, ends_in_s: int) -> None:
    counter, _ = counter_of(5)
    assert counter.ends_in_s(at) == ends_in_s
