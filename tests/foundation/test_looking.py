"""Looking for work: at once at first, then now and then or when told to, whatever fails in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from eloquent.foundation.errors import Unavailable
from eloquent.foundation.looking import Looker
from eloquent.foundation.tasks import end_task


class Work:
    """Counts the looks; the first of them fail as they are told to."""

    def __init__(self, *failing: Exception) -> None:
        self.looks = 0
        self._failing = list(failing)
        self._looked = asyncio.Condition()

    async def __call__(self) -> None:
        async with self._looked:
            self.looks += 1
            self._looked.notify_all()
        if self._failing:
            raise self._failing.pop(0)

    async def until(self, looks: int) -> None:
        async with asyncio.timeout(10), self._looked:
            await self._looked.wait_for(lambda: self.looks >= looks)


@asynccontextmanager
async def looking(looker: Looker, work: Work) -> AsyncIterator[None]:
    task = asyncio.create_task(looker.run(work))
    try:
        yield
    finally:
        await end_task(task)


async def test_it_looks_at_once_and_again_when_it_is_told_to() -> None:
    looker, work = Looker("letters", every_s=3600), Work()
    looker.look_now()  # nobody looks yet, and whoever does begins with a look
    async with looking(looker, work):
        await work.until(1)
        await asyncio.sleep(0.05)
        assert work.looks == 1
        looker.look_now()
        await work.until(2)


async def test_it_looks_now_and_then_by_itself() -> None:
    looker, work = Looker("letters", every_s=0.01), Work()
    async with looking(looker, work):
        await work.until(4)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (AutoReconnect("away"), {"log_level": "warning", "error": "AutoReconnect"}),
        (Unavailable(), {"log_level": "warning", "error": "Unavailable"}),
        (RuntimeError("a bug"), {"log_level": "error", "exc_info": True}),
    ],
    ids=repr,
)
async def test_what_fails_is_told_and_met_again(error: Exception, told: dict[str, Any]) -> None:
    looker, work = Looker("letters", every_s=0.01), Work(error)
    with capture_logs() as logs:
        async with looking(looker, work):
            await work.until(3)
    [line] = logs
    assert line | told | {"what": "letters"} == line


def test_it_can_look_in_one_loop_after_another() -> None:
    looker = Looker("letters", every_s=3600)

    async def once() -> None:
        work = Work()
        async with looking(looker, work):
            await work.until(1)
            looker.look_now()
            await work.until(2)

    for _ in range(2):
        asyncio.run(once())
