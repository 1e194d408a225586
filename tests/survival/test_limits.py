"""Limits that several workers keep together."""

import asyncio

from accounts.limits.policies import KEYS_MADE
from tests.people import Person
from tests.survival.stage import Stage, until


async def let_in(tab: Person, many: int) -> int:
    """How many of so many requests are not refused. They ask for keys without a name."""
    answers = await asyncio.gather(*(tab.http.post("/me/api-keys", json={}) for _ in range(many)))
    assert {answer.status_code for answer in answers} <= {422, 429}
    return sum(answer.status_code == 422 for answer in answers)


async def test_two_workers_share_a_limit_which_outlives_one_of_them(stage: Stage, here: Person, there: Person) -> None:
    let_in_there = 0

    async def is_refused_there() -> bool:
        nonlocal let_in_there
        let_in_now = await let_in(there, 1)
        let_in_there += let_in_now
        return not let_in_now

    assert await let_in(here, KEYS_MADE.amount + 5) == KEYS_MADE.amount
    await until(is_refused_there, within_s=60, every_s=0.5)
    assert let_in_there < KEYS_MADE.amount, "it was refused for what the first had let in"

    first = stage.workers[0]
    await first.die()
    await first.begin()
    async with here.at(first.address) as again:

        async def is_refused_again() -> bool:
            return not await let_in(again, 1)

        await until(is_refused_again, within_s=60, every_s=0.5)
        await asyncio.to_thread(stage.valkey.kill)
        assert await is_refused_there(), "what is known is known without Redis, too"
        assert await is_refused_again()
