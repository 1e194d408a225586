"""Two workers share one slot of a model's server; one of them dies with it."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.survival.stage import Stage

BACK_WITHIN_S = 60.0


class OneSlot(Stage):
    """A stage whose language model is given one call at a time."""

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "MODEL_SLOTS": "ollama=1"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_slot() -> AsyncIterator[Stage]:
    async with OneSlot(seed=None) as stage:
        yield stage


async def test_the_slot_goes_from_worker_to_worker_and_comes_back_when_one_dies(one_slot: Stage) -> None:
    stage = one_slot
    first, second = (stage.tale(tokens=20, waits=(10,)) for _ in range(2))
    third = stage.tale(tokens=20)
    async with (
        stage.person() as ann,
        ann.at(stage.workers[0].address) as here,
        ann.at(stage.workers[1].address) as there,
        asyncio.timeout(120),
    ):
        at_work = await here.ask(await here.conversation(), first.question)
        await stage.model.until_asked(first)
        waiting = await there.ask(await there.conversation(), second.question)
        async with there.events(f"/runs/{waiting['id']}/stream") as events:
            async for _, chunk in events:
                if chunk["type"] == "data-status":
                    break
        assert chunk["data"]["position"] == 1
        stage.model.go_on(first)
        await stage.model.until_asked(second)
        assert (await here.at_rest(at_work["id"]))["status"] == "complete"

        last = await here.ask(await here.conversation(), third.question)
        async with here.events(f"/runs/{last['id']}/stream") as events:
            async for _, chunk in events:
                if chunk["type"] == "data-status":
                    break
        await stage.workers[1].die()
        async with asyncio.timeout(BACK_WITHIN_S):
            await stage.model.until_asked(third)
        assert (await here.at_rest(last["id"]))["status"] == "complete"
