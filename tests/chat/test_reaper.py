"""When the reaper takes a lease that ran out for a lost worker."""

import asyncio
from collections.abc import Sequence

import pytest
from pymongo.errors import AutoReconnect

from chat import store
from chat.asking import LEASE_S
from chat.journal import MemoryJournal
from chat.reaper import AWAY_AFTER_S, REAP_EVERY_S, Patience, Reaper
from chat.types import Run
from tests.chat.nobodys import run_of_nobody

SECONDS = 1_000.0


@pytest.fixture
def patience() -> Patience:
    """Of a reaper that has had its answers for long."""
    patience = Patience()
    patience.answer(asked_at=0, at=0)
    assert patience.is_over(SECONDS)
    return patience


def test_the_readers_of_a_lost_run_are_told_within_fifteen_seconds() -> None:
    assert LEASE_S + REAP_EVERY_S + AWAY_AFTER_S <= 15


def test_who_has_just_started_waits_a_lease_from_its_first_answer() -> None:
    patience = Patience()
    assert not patience.is_over(SECONDS)
    patience.no_answer()
    patience.answer(asked_at=SECONDS, at=SECONDS + 1)
    assert not patience.is_over(SECONDS + LEASE_S)
    assert patience.is_over(SECONDS + 1 + LEASE_S)


def test_the_lease_of_patience_begins_when_the_database_answers_again(patience: Patience) -> None:
    patience.no_answer()
    assert not patience.is_over(SECONDS + LEASE_S)
    # The next question is one that waits until the database is back.
    patience.answer(asked_at=SECONDS + REAP_EVERY_S, at=SECONDS + REAP_EVERY_S + 5)
    assert not patience.is_over(SECONDS + REAP_EVERY_S + LEASE_S)
    assert patience.is_over(SECONDS + REAP_EVERY_S + 5 + LEASE_S)


def test_a_database_that_hung_without_an_error_was_away(patience: Patience) -> None:
    patience.answer(asked_at=SECONDS, at=SECONDS + AWAY_AFTER_S)
    assert patience.is_over(SECONDS + AWAY_AFTER_S)
    patience.answer(asked_at=SECONDS, at=SECONDS + AWAY_AFTER_S + 0.1)
    assert not patience.is_over(SECONDS + LEASE_S)
    assert patience.is_over(SECONDS + AWAY_AFTER_S + 0.1 + LEASE_S)


def test_answers_at_once_do_not_make_it_wait_longer(patience: Patience) -> None:
    patience.no_answer()
    for beat in range(5):
        patience.answer(asked_at=SECONDS + beat * REAP_EVERY_S, at=SECONDS + beat * REAP_EVERY_S)
    assert patience.is_over(SECONDS + LEASE_S)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time goes on when it is told to."""

    at = SECONDS

    def time(self) -> float:
        return self.at


class Database:
    """One lost run, found at each question; a question takes so long and ends so, in turn."""

    def __init__(self, run: Run, questions: Sequence[tuple[float, Exception | None]]) -> None:
        self._run = run
        self._questions = list(questions)
        self.claimed_after: list[float] = []

    async def expired_runs(self, _now: object) -> list[Run]:
        if not self._questions:
            raise asyncio.CancelledError
        took_s, error = self._questions.pop(0)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clock)
        loop.at += took_s + REAP_EVERY_S
        if error is not None:
            raise error
        return [self._run]

    async def claim_expired_run(self, _run: Run, **_lease: object) -> None:
        self.claimed_after.append(asyncio.get_running_loop().time() - SECONDS)


@pytest.mark.parametrize(
    ("questions", "first_claim_after_s"),
    [
        pytest.param([(0, None)] * 10, 2 + LEASE_S, id="its own start"),
        pytest.param([(5, AutoReconnect("away"))] * 2 + [(4, None)] + [(0, None)] * 9, 20 + LEASE_S, id="gone"),
        pytest.param([(0, None)] * 3 + [(9, None)] + [(0, None)] * 9, 6 + 11 + LEASE_S, id="hung"),
    ],
)
def test_a_lost_run_is_claimed_a_lease_after_the_database_is_back(
    questions: list[tuple[float, Exception | None]], first_claim_after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(run_of_nobody(), questions)
    monkeypatch.setattr(store, "expired_runs", database.expired_runs)
    monkeypatch.setattr(store, "claim_expired_run", database.claim_expired_run)
    monkeypatch.setattr("chat.reaper.REAP_EVERY_S", 0)  # the questions' own time counts
    with asyncio.Runner(loop_factory=Clock) as runner, pytest.raises(asyncio.CancelledError):
        runner.run(Reaper(MemoryJournal(), ()).run())
    assert database.claimed_after[0] == first_claim_after_s
