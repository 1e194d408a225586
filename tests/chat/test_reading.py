"""A reader of another process's answer, while nothing comes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from chat import reading, store
from chat.journal import Entries, LogCut
from chat.types import Run, RunStatus
from eloquent.foundation.clock import now
from tests.chat.nobodys import run_of_nobody

SILENCE = Entries(0, ())
END = Entries(0, [b"finish"])


async def silent_at_first() -> AsyncIterator[Entries]:
    yield SILENCE
    yield END


def at_rest_since(seconds: float) -> Run:
    at = now() - timedelta(seconds=seconds)
    return run_of_nobody(status=RunStatus.COMPLETE, active=False, finished_at=at)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """What the database has of the run: the last of them."""
    runs: list[Run] = []

    async def find(*_: Any) -> Run:
        return runs[-1]

    monkeypatch.setattr(store, "find_run", find)
    return runs


async def test_an_end_that_is_on_its_way_is_waited_for(stored: list[Run]) -> None:
    stored.append(run := at_rest_since(1))
    assert [batch async for batch in reading._watched(run, silent_at_first())] == [SILENCE, END]


async def test_a_log_that_has_no_end_though_its_run_has_is_cut(stored: list[Run]) -> None:
    stored.append(run := at_rest_since(60))
    with pytest.raises(LogCut):
        _ = [batch async for batch in reading._watched(run, silent_at_first())]
