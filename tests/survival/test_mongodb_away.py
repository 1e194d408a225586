"""MongoDB is away for longer than a lease in the middle of an answer."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.people import Person
from tests.survival.stage import Stage, until

GONE_FOR_S = 10.0


async def test_an_answer_goes_on_without_mongodb_and_is_saved_when_it_is_back(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=80, waits=(20, 40, 60))
    run = await here.ask(await here.conversation(), tale.question)
    near, far = stage.reader(here, run), stage.reader(there, run)
    async with asyncio.TaskGroup() as tabs:
        for reader in (near, far):
            tabs.create_task(reader.read())
            await reader.until_shown(tale.text(20))
        await asyncio.to_thread(stage.mongod.kill)
        gone_at = datetime.now(UTC)
        stage.model.go_on_from(tale, 20)
        for reader in (near, far):
            await reader.until_shown(tale.text(40))
        back_at = gone_at + timedelta(seconds=GONE_FOR_S)
        await asyncio.sleep((back_at - datetime.now(UTC)).total_seconds())  # the time is what is tested
        stage.model.go_on_from(tale, 40)
        for reader in (near, far):
            await reader.until_shown(tale.text(60))
        await asyncio.to_thread(stage.mongod.start)
        # The lease is written again: who looks for lost runs has looked by then.
        await until(lambda: is_held(stage, run))
        assert (await stage.answer_of(run))["status"] == "streaming"
        stage.model.go_on(tale)
    for reader in (near, far):
        assert (reader.stream.text, reader.connections) == (tale.text(), 1)
    await until(lambda: is_at_rest(stage, run))
    answer, record = await stage.answer_of(run), await stage.record_of(run)
    assert (answer["status"], answer["text"], record["status"]) == ("complete", tale.text(), "complete")


async def is_held(stage: Stage, run: dict[str, str]) -> bool:
    return bool((await stage.record_of(run))["lease_expires_at"] > datetime.now(UTC) + timedelta(seconds=1))


async def is_at_rest(stage: Stage, run: dict[str, str]) -> bool:
    return not (await stage.record_of(run))["active"]
