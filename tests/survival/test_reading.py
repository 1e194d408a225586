"""Any reader, on any worker, at any time, sees every chunk once and in order."""

import asyncio
import random

import pytest

from tests.people import Person
from tests.survival.reader import Broken, Reader
from tests.survival.stage import Stage

READERS = 24


async def test_answers_are_read_whole_whatever_worker_each_request_goes_to(stage: Stage, ann: Person) -> None:
    async def one(dice: random.Random) -> None:
        tale = stage.tale(tokens=dice.randrange(1, 150), per_s=dice.choice([0, 40, 200]))
        conversation = await ann.conversation()
        run = await ann.ask(conversation, tale.question)
        readers = [stage.reader(ann, run) for _ in range(2)]

        async def read(number: int) -> None:
            reader = readers[number]
            comes_and_goes = random.Random(dice.random())
            while not reader.done:
                await reader.read(whole=comes_and_goes.random() < 0.3, leave_after=comes_and_goes.randrange(1, 12))

        await asyncio.gather(*map(read, range(len(readers))))
        for reader in readers:
            assert reader.stream.text == tale.text()
            assert reader.begun_anew == 0
        answer = await stage.answer_of(run)
        assert (answer["status"], answer["text"]) == ("complete", tale.text())

    before = dict(stage.dispatcher.sent)
    for _ in range(READERS // 8):
        await asyncio.gather(*(one(random.Random(stage.dice.random())) for _ in range(8)))
    assert all(stage.dispatcher.sent[port] > before.get(port, 0) + READERS for port in stage.dispatcher.ports)


async def test_a_second_tab_on_another_worker_reads_the_same_answer_at_once(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=40, waits=(20,))
    run = await here.ask(await here.conversation(), tale.question)
    first, second = stage.reader(here, run), stage.reader(there, run)
    async with asyncio.TaskGroup() as tabs:
        tabs.create_task(first.read())
        tabs.create_task(second.read())
        await first.until_shown(tale.text(20))
        await second.until_shown(tale.text(20))  # while the answer is being written
        stage.model.go_on(tale)
    assert first.stream.text == second.stream.text == tale.text()
    assert first._chunks == second._chunks


async def test_a_run_is_known_on_every_worker_while_it_is_at_work(stage: Stage, here: Person, there: Person) -> None:
    tale = stage.tale(waits=(0,))
    run = await here.ask(await here.conversation(), tale.question)
    assert (await there.ok("GET", f"/runs/{run['id']}"))["status"] == "queued"
    stage.model.go_on(tale)
    assert (await there.at_rest(run["id"]))["status"] == "complete"


async def test_a_socket_on_another_worker_resumes_and_reads_to_the_end(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=40, waits=(20,))
    conversation = await here.conversation()
    first = stage.reader(here, await here.ask(conversation, tale.question))
    async with asyncio.TaskGroup() as tabs:
        tabs.create_task(first.read())
        await first.until_shown(tale.text(20))
        position = first.position
        async with there.socket() as whole, there.socket() as rest:
            await whole.send(type="resume", requestId="whole", id=conversation)
            await rest.send(type="resume", requestId="rest", id=conversation, lastSequence=position)
            assert await whole.frame() == {"type": "start", "requestId": "whole"}
            assert await rest.frame() == {"type": "start", "requestId": "rest"}
            stage.model.go_on(tale)
            assert (await whole.read("whole")).text == tale.text()
            told = [await rest.frame()]
            while told[-1]["type"] == "chunk":
                told.append(await rest.frame())
    assert told.pop() == {"type": "end", "requestId": "rest"}
    assert [frame["sequence"] for frame in told] == list(range(position + 1, first.position + 1))
    deltas = [frame["chunk"]["delta"] for frame in told if frame["chunk"]["type"] == "text-delta"]
    assert tale.text(20) + "".join(deltas) == tale.text()


async def test_a_reader_loses_nothing_when_the_worker_it_reads_from_is_killed(
    stage: Stage, ann: Person, there: Person
) -> None:
    tale = stage.tale(tokens=60, waits=(20, 40))
    run = await there.ask(await there.conversation(), tale.question)
    reader = stage.reader(ann, run)
    reading_from, writing = stage.workers
    async with asyncio.TaskGroup() as tabs:
        with stage.dispatcher.only(reading_from.port):
            first = tabs.create_task(broken_off(reader))
            await reader.until_shown(tale.text(20))
            await reading_from.die()
            await first
        stage.model.go_on_from(tale, 20)
        tabs.create_task(reader.read_to_the_end())  # the dispatcher finds the one that lives
        await reader.until_shown(tale.text(40))
        stage.model.go_on(tale)
    assert reader.stream.text == tale.text()
    assert reader.begun_anew == 0
    assert (await stage.answer_of(run))["status"] == "complete"
    assert writing.is_running()


async def broken_off(reader: Reader) -> None:
    """A reading whose connection ends in the middle."""
    with pytest.raises(Broken):
        await reader.read()
