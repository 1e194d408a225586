"""An answer can be stopped from any worker: the model stops, what was written is kept."""

import asyncio
from typing import Any

import pytest

from tests.people import Person
from tests.survival.stage import Stage

ABORTED = {"type": "abort"}


async def stopped_there(there: Person, run: dict[str, Any]) -> None:
    stopped = await there.ok("POST", f"/runs/{run['id']}/stop")
    assert (stopped["status"], stopped["error"]) == ("stopped", None)


async def test_an_answer_is_stopped_from_another_worker_before_its_first_word(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(waits=(0,))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    reader = stage.reader(here, run)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tabs:
        tabs.create_task(reader.read())
        await stage.model.until_asked(tale)
        await stopped_there(there, run)
        await stage.model.until_left(tale)
    assert reader.stream.last == ABORTED
    answer = await stage.answer_of(run)
    assert (answer["status"], answer["text"]) == ("stopped", "")
    assert (await stage.record_of(run))["active"] is False


async def test_an_answer_is_stopped_from_another_worker_and_keeps_its_text_so_far(
    stage: Stage, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=40, waits=(20,))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    readers = [stage.reader(here, run), stage.reader(there, run)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as tabs:
        for reader in readers:
            tabs.create_task(reader.read())
        for reader in readers:
            await reader.until_shown(tale.text(20))
        await stopped_there(there, run)
        await stage.model.until_left(tale)
    for reader in readers:
        assert (reader.stream.last, reader.stream.text) == (ABORTED, tale.text(20))
    answer = await stage.answer_of(run)
    assert (answer["status"], answer["text"]) == ("stopped", tale.text(20))
    follow_up = stage.tale()
    assert (await there.at_rest((await there.ask(conversation, follow_up.question))["id"]))["status"] == "complete"


async def test_a_socket_stops_the_answer_that_another_worker_writes(stage: Stage, here: Person, there: Person) -> None:
    tale = stage.tale(tokens=40, waits=(20,))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    async with asyncio.timeout(20), there.socket() as socket:
        await socket.send(type="resume", requestId="r", id=conversation)
        while (await socket.frame()).get("chunk", {}).get("type") != "text-delta":
            pass
        await socket.send(type="abort", requestId="r")
        assert await socket.read_rest() == ABORTED
        await stage.model.until_left(tale)
    assert (await stage.record_of(run))["status"] == "stopped"


@pytest.mark.parametrize("tokens", [1, 30])
async def test_a_stop_that_comes_late_does_nothing_and_never_ends_the_next_answer(
    stage: Stage, here: Person, there: Person, tokens: int
) -> None:
    """The stop races with the answer's own end; whoever wins, the next answer in the conversation is whole."""
    conversation = await here.conversation()
    for _ in range(5):
        tale, following = stage.tale(tokens=tokens), stage.tale(tokens=30, waits=(10,))
        first = await here.ask(conversation, tale.question)
        reader = stage.reader(there, first)
        await asyncio.gather(reader.read(), there.ok("POST", f"/runs/{first['id']}/stop"))
        ended = await stage.record_of(first)
        assert ended["status"] in ("complete", "stopped")
        second = await here.ask(conversation, following.question)
        again = await there.ok("POST", f"/runs/{first['id']}/stop")
        assert (again["status"], again["finished_at"]) == (ended["status"], again["finished_at"])
        await stage.model.until_asked(following)
        await there.ok("POST", f"/runs/{first['id']}/stop")
        stage.model.go_on(following)
        assert (await there.at_rest(second["id"]))["status"] == "complete"
        assert (await stage.answer_of(second))["text"] == following.text()
        assert (await stage.record_of(first)) == ended
