"""A worker that is told to go: its answers are finished, or cut cleanly, and nobody is left without a word."""

import asyncio
import signal

from tests.people import Person
from tests.survival.stage import Stage, until
from tests.survival.test_lost_workers import INTERRUPTED
from tests.survival.workers import Worker

# uvicorn raises the signal that it was sent again when it has shut down in order.
ENDED_BY_SIGTERM = -signal.SIGTERM


async def test_sigterm_lets_the_answer_finish_and_takes_no_new_one(
    stage: Stage, ann: Person, here: Person, there: Person
) -> None:
    tale, elsewhere = stage.tale(tokens=40, waits=(20,)), stage.tale()
    run = await here.ask(await here.conversation(), tale.question)
    readers = [stage.reader(here, run), stage.reader(there, run)]
    leaving = stage.workers[0]
    async with asyncio.TaskGroup() as tabs:
        readings = [tabs.create_task(reader.read_to_the_end()) for reader in readers]
        for reader in readers:
            await reader.until_shown(tale.text(20))
        leaving.signal(signal.SIGTERM)
        await until(lambda: is_leaving(leaving, here))
        refused = await here.http.post(
            f"/conversations/{await here.conversation()}/runs", json={"parts": [{"type": "text", "text": "Hi"}]}
        )
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert int(refused.headers["Retry-After"]) > 0
        run_elsewhere = await there.ask(await there.conversation(), elsewhere.question)
        assert (await there.at_rest(run_elsewhere["id"]))["status"] == "complete"
        assert not any(reading.done() for reading in readings)
        stage.model.go_on(tale)
        async with asyncio.timeout(20):
            await asyncio.gather(*readings)
            assert await leaving.until_gone() == ENDED_BY_SIGTERM
    assert [reader.stream.text for reader in readers] == [tale.text()] * 2
    assert readers[0].connections == readers[1].connections == 1
    answer = await stage.answer_of(run)
    assert (answer["status"], answer["text"]) == ("complete", tale.text())


async def test_a_drain_that_is_cut_interrupts_the_answer_and_tells_every_reader(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=40, waits=(20,))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    readers = [stage.reader(here, run), stage.reader(there, run)]
    leaving = stage.workers[0]
    async with asyncio.timeout(30), asyncio.TaskGroup() as tabs:
        for reader in readers:
            tabs.create_task(reader.read())
        for reader in readers:
            await reader.until_shown(tale.text(20))
        leaving.signal(signal.SIGTERM)
        await until(lambda: is_leaving(leaving, here))
        leaving.signal(signal.SIGTERM)
        assert await leaving.until_gone() == ENDED_BY_SIGTERM
    for reader in readers:
        assert (reader.stream.last, reader.stream.text) == (INTERRUPTED, tale.text(20))
    answer, record = await stage.answer_of(run), await stage.record_of(run)
    assert (answer["status"], answer["text"]) == ("interrupted", tale.text(20))
    assert (record["status"], record["active"]) == ("interrupted", False)
    await stage.model.until_left(tale)
    going_on = await there.ask(conversation, stage.tale().question)
    assert (await there.at_rest(going_on["id"]))["status"] == "complete"


async def is_leaving(worker: Worker, here: Person) -> bool:
    """Whether a balancer that asks would send it no more requests."""
    answer = await here.http.get(f"{worker.address}/readyz")
    return answer.status_code == 503
