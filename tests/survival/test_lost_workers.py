"""A worker that is killed or stands still in the middle of an answer."""

import asyncio

import pytest

from tests.people import Person
from tests.survival.stage import Stage, freeze, thaw, until

TOLD_WITHIN_S = 60
INTERRUPTED = {"type": "error", "errorText": "The answer was interrupted. What was written is kept."}


async def test_a_killed_workers_answer_is_interrupted_with_all_that_anyone_was_shown(
    stage: Stage, ann: Person, here: Person, there: Person
) -> None:
    tale = stage.tale(tokens=80, waits=(20, 40))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    reader, joins_late = stage.reader(there, run), stage.reader(ann, run)
    async with asyncio.TaskGroup() as tabs, there.socket() as socket:
        reading = tabs.create_task(reader.read())
        await socket.send(type="resume", requestId="r", id=conversation)
        assert (await socket.frame())["type"] == "start"
        await reader.until_shown(tale.text(20))
        # Saved by now and then every two seconds: what comes next is in the journal alone.
        await until(lambda: is_saved(stage, run, tale.text(20)))
        stage.model.go_on_from(tale, 20)
        await reader.until_shown(tale.text(40))
        await stage.workers[0].die()
        async with asyncio.timeout(TOLD_WITHIN_S):
            await reading
            assert await socket.read_rest() == INTERRUPTED
            await joins_late.read()
    for one in (reader, joins_late):
        assert (one.stream.last, one.stream.text) == (INTERRUPTED, tale.text(40))
    answer, record = await stage.answer_of(run), await stage.record_of(run)
    assert (answer["status"], answer["text"]) == ("interrupted", tale.text(40))
    assert answer["parts"] == [{"type": "text", "text": tale.text(40)}]
    assert (record["status"], record["active"], record["error"]["code"]) == ("interrupted", False, "interrupted")
    assert stage.model.left >= {tale.number}
    # And on from there.
    following = stage.tale()
    going_on = await there.ask(conversation, following.question)
    assert (await there.at_rest(going_on["id"]))["status"] == "complete"
    texts = [message["parts"][0]["text"] for message in await there.messages(conversation)]
    assert texts == [tale.question, tale.text(40), following.question, following.text()]


async def is_saved(stage: Stage, run: dict[str, str], text: str) -> bool:
    return [part["text"] for part in (await stage.answer_of(run))["parts"]] == [text]


async def is_charged(stage: Stage, run: dict[str, str]) -> bool:
    """Whether all is written of a run that was lost: its readers are told before what it cost is known."""
    return bool((await stage.record_of(run))["usage"])


@pytest.mark.parametrize("meanwhile", ["the model goes on at once", "the model has finished"])
async def test_a_worker_that_stood_still_for_too_long_changes_nothing_that_was_settled(
    stage: Stage, here: Person, there: Person, meanwhile: str
) -> None:
    tale, following = stage.tale(tokens=40, waits=(20, 30)), stage.tale(tokens=40, waits=(20,))
    conversation = await here.conversation()
    run = await here.ask(conversation, tale.question)
    reader, second = stage.reader(there, run), None
    frozen = stage.workers[0]
    async with asyncio.TaskGroup() as tabs:
        reading = tabs.create_task(reader.read())
        await reader.until_shown(tale.text(20))
        freeze(frozen)
        if meanwhile == "the model has finished":
            stage.model.go_on(tale)  # all of it waits for the worker in its connection
        async with asyncio.timeout(TOLD_WITHIN_S):
            await reading
        assert (reader.stream.last, reader.stream.text) == (INTERRUPTED, tale.text(20))
        await until(lambda: is_charged(stage, run))
        settled = await stage.answer_of(run), await stage.record_of(run)
        going_on = await there.ask(conversation, following.question)
        second = stage.reader(there, going_on)
        tabs.create_task(second.read())
        await second.until_shown(following.text(20))
        thaw(frozen)
        stage.model.go_on(tale)
        await until(lambda: has_let_go(stage, here, run))
        stage.model.go_on(following)
    assert second is not None
    assert second.stream.text == following.text()
    assert (await stage.answer_of(run), await stage.record_of(run)) == settled
    assert (await stage.answer_of(going_on))["text"] == following.text()
    for tab in (here, there):
        again = stage.reader(tab, run)
        await again.read()
        assert (again.stream.last, again.stream.text) == (INTERRUPTED, tale.text(20))


async def has_let_go(stage: Stage, here: Person, run: dict[str, str]) -> bool:
    """Whether the worker knows the run as the others do, and no longer as its own."""
    return bool((await here.ok("GET", f"/runs/{run['id']}"))["status"] == "interrupted")
