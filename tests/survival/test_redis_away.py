"""Redis is killed, restarted with and without its data, or stands still, in the middle of answers."""

import asyncio
import shutil
from collections.abc import Awaitable
from typing import TypeVar

import httpx
import pytest

from tests.people import Person
from tests.survival.reader import Reader
from tests.survival.stage import Stage, freeze, thaw, until

Answer = TypeVar("Answer")

ANSWERED_WITHIN_S = 15.0
"""No request hangs for longer while Redis is away or stands still."""


async def refused_to_begin(tab: Person, question: str) -> bool:
    """Whether a new run is refused as one that can be tried again."""
    conversation = await bounded(tab.conversation())
    body = {"parts": [{"type": "text", "text": question}]}
    answer = await bounded(tab.http.post(f"/conversations/{conversation}/runs", json=body))
    if answer.status_code == 202:
        return False
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    return True


async def bounded(request: Awaitable[Answer]) -> Answer:
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        return await request


async def begins(tab: Person, question: str) -> bool:
    return not await refused_to_begin(tab, question)


@pytest.mark.parametrize("comes_back", ["with its data", "without its data"])
async def test_answers_are_finished_and_saved_while_redis_is_away_and_all_works_when_it_is_back(
    stage: Stage, here: Person, there: Person, comes_back: str
) -> None:
    ending = stage.tale(tokens=60, waits=(20, 40))  # ends while Redis is away
    lasting = stage.tale(tokens=80, waits=(20, 40, 60))  # is still being written when it is back
    runs = [await here.ask(await here.conversation(), tale.question) for tale in (ending, lasting)]
    near = [stage.reader(here, run) for run in runs]
    far = [stage.reader(there, run) for run in runs]
    async with asyncio.TaskGroup() as tabs:
        for reader in near:
            tabs.create_task(reader.read())
        for reader in far:
            tabs.create_task(reader.read_to_the_end())
        for reader in near + far:
            await reader.until_shown((ending if reader in (near[0], far[0]) else lasting).text(20))

        await asyncio.to_thread(stage.valkey.kill)
        for tale in (ending, lasting):
            stage.model.go_on_from(tale, 20)
        await near[0].until_shown(ending.text(40))
        await near[1].until_shown(lasting.text(40))
        for tab in (here, there):
            # What was let in before anybody noticed is an answer at work like the others.
            await until(lambda tab=tab: refused_to_begin(tab, stage.tale().question))
            assert await bounded(tab.ok("GET", "/conversations"))
        stage.model.go_on(ending)
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            await until(lambda: is_done(near[0]))
            await until(lambda: is_saved(stage, runs[0], ending.text()))

        if comes_back == "without its data":
            for entry in stage.valkey._room.data.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        await asyncio.to_thread(stage.valkey.start)
        stage.model.go_on_from(lasting, 40)
        await near[1].until_shown(lasting.text(60))
        await until(lambda: begins(here, stage.tale().question), every_s=0.2)
        await until(lambda: begins(there, stage.tale().question), every_s=0.2)
        await far[1].until_shown(lasting.text(60))
        stage.model.go_on(lasting)
    for reader, tale in zip(near + far, (ending, lasting) * 2, strict=True):
        assert reader.stream.text == tale.text()
        assert reader.stream.last is not None
        assert reader.stream.last["type"] == "finish"
    assert [reader.connections for reader in near] == [1, 1]
    for run, tale in zip(runs, (ending, lasting), strict=True):
        answer, record = await stage.answer_of(run), await stage.record_of(run)
        assert (answer["status"], answer["text"], record["active"]) == ("complete", tale.text(), False)
        again = stage.reader(there, run)
        await again.read()
        assert again.stream.text == tale.text()


async def is_done(reader: Reader) -> bool:
    return reader.done


async def is_saved(stage: Stage, run: dict[str, str], text: str) -> bool:
    answer = await stage.answer_of(run)
    return (answer["status"], answer["text"]) == ("complete", text)


async def test_no_request_hangs_while_redis_stands_still(stage: Stage, here: Person, there: Person) -> None:
    tale = stage.tale(tokens=60, waits=(20, 40))
    run = await here.ask(await here.conversation(), tale.question)
    near, far = stage.reader(here, run), stage.reader(there, run)
    async with asyncio.TaskGroup() as tabs:
        tabs.create_task(near.read())
        tabs.create_task(far.read_to_the_end())
        await near.until_shown(tale.text(20))
        await far.until_shown(tale.text(20))
        freeze(stage.valkey)
        try:
            stage.model.go_on_from(tale, 20)
            await near.until_shown(tale.text(40))
            for tab in (here, there):
                await until(lambda tab=tab: refused_to_begin(tab, stage.tale().question))
                assert await bounded(tab.ok("GET", "/conversations"))
                assert await bounded(tab.ok("GET", f"/runs/{run['id']}"))
                with pytest.raises(httpx.HTTPStatusError):
                    (await bounded(tab.http.get(f"{tab.server}/readyz"))).raise_for_status()
                assert await bounded(tab.ok("POST", "/auth/socket-ticket", 201))
            stage.model.go_on(tale)
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await until(lambda: is_done(near))
                await until(lambda: is_saved(stage, run, tale.text()))
        finally:
            thaw(stage.valkey)
        await until(lambda: begins(there, stage.tale().question), every_s=0.2)
    assert near.stream.text == far.stream.text == tale.text()


async def test_an_answer_is_stopped_by_its_own_worker_while_redis_is_away(stage: Stage, here: Person) -> None:
    tale = stage.tale(tokens=60, waits=(20,))
    run = await here.ask(await here.conversation(), tale.question)
    near = stage.reader(here, run)
    async with asyncio.TaskGroup() as tabs:
        tabs.create_task(near.read())
        await near.until_shown(tale.text(20))
        await asyncio.to_thread(stage.valkey.kill)
        assert (await bounded(here.ok("POST", f"/runs/{run['id']}/stop")))["status"] == "stopped"
        await stage.model.until_left(tale)
    assert near.stream.last == {"type": "abort"}
    answer = await stage.answer_of(run)
    assert (answer["status"], answer["text"]) == ("stopped", tale.text(20))
