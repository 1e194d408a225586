"""What is done later: to every item, once, in order, and in time."""

import asyncio
from contextvars import ContextVar

from eloquent.foundation.later import Later

seen_by: ContextVar[str] = ContextVar("seen_by", default="nobody")


async def test_every_item_has_its_turn_in_order_and_those_that_come_after_a_turn_too() -> None:
    done: list[int] = []
    all_done = asyncio.Event()

    def do(item: int) -> None:
        done.append(item)
        if item % 10 == 9:
            all_done.set()

    later = Later(0.01, do)
    for round_ in range(3):
        for item in range(10 * round_, 10 * round_ + 10):
            later.add(item)
        assert len(done) == 10 * round_
        async with asyncio.timeout(20):
            await all_done.wait()
        all_done.clear()
        assert done == list(range(10 * round_ + 10))


async def test_an_item_waits_for_its_own_time() -> None:
    now = asyncio.get_running_loop().time
    due: dict[str, float] = {}
    early: dict[str, bool] = {}
    all_done = asyncio.Event()

    def do(item: str) -> None:
        early[item] = now() < due[item]
        if len(early) == 2:
            all_done.set()

    later = Later(0.2, do)
    for item in ("first", "second"):
        due[item] = now() + 0.1
        later.add(item)
        await asyncio.sleep(0.15)
    async with asyncio.timeout(20):
        await all_done.wait()
    assert early == {"first": False, "second": False}


async def test_what_is_done_later_is_done_in_nobodys_name() -> None:
    seen_by.set("a user")
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    Later(0.0, lambda _: told.set_result(seen_by.get())).add(None)
    async with asyncio.timeout(20):
        assert await told == "nobody"
