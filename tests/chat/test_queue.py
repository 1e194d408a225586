"""What readers and users see of the queue in front of a language model."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from chat import work
from eloquent.foundation.database import database
from inference.admission import queues
from inference.admission.limits import Limit
from inference.admission.queues import close_queues, queue_of
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.chat.ui_stream import UIStream
from tests.people import Person


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Limit]]:
    limits = {"scripted": Limit(1, 1)}
    monkeypatch.setattr(queues, "limit_of", limits.get)
    return limits


@pytest_asyncio.fixture
async def gate(limits: dict[str, Limit], model: LanguageModel) -> AsyncIterator[asyncio.Event]:
    """Holds the first answer of the test at work until it is set."""
    gate = asyncio.Event()
    model.script = [gate, *saying("One")]
    yield gate
    gate.set()
    await asyncio.gather(*(answering.interrupt() for answering in list(work._at_work.values())))
    queue = queue_of("scripted")
    assert (queue.at_work, queue.waiting) == (0, 0)
    await close_queues()


async def one_at_work(person: Person, model: LanguageModel) -> dict[str, Any]:
    run = await person.ask(await person.conversation(), "First")
    await model.provider.until(begun=1)
    model.script = saying("Two")
    return run


async def until_told(person: Person, run: dict[str, Any], stream: UIStream) -> dict[str, Any]:
    async with person.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if chunk["type"] == "data-status":
                return chunk
    raise AssertionError("never told")


async def test_one_who_waits_is_told_the_position_and_answered_in_the_end(
    ann: Person, bob: Person, model: LanguageModel, gate: asyncio.Event
) -> None:
    await one_at_work(ann, model)
    run = await bob.ask(await bob.conversation(), "Second")
    told = await until_told(bob, run, UIStream())
    assert told["transient"] is True
    assert (told["data"]["state"], told["data"]["position"]) == ("queued", 1)
    assert set(told["data"]) == {"state", "elapsed_s", "position"}  # nobody can guess yet how long it takes
    assert (await bob.ok("GET", f"/runs/{run['id']}"))["status"] == "queued"
    gate.set()
    stream = UIStream()
    async with bob.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
    assert (await bob.messages(run["conversation_id"]))[-1]["parts"] == [{"type": "text", "text": "Two"}]


async def test_how_long_it_is_likely_to_take_is_told_when_it_can_be_guessed(
    ann: Person, bob: Person, model: LanguageModel, gate: asyncio.Event
) -> None:
    await one_at_work(ann, model)
    queue_of("scripted")._service_s = 12.0
    told = await until_told(bob, await bob.ask(await bob.conversation(), "Second"), UIStream())
    assert (told["data"]["position"], told["data"]["eta_s"]) == (1, 12.0)


@pytest.mark.parametrize("how", ["stopped by the user", "interrupted by a shutdown"])
async def test_an_answer_that_ends_while_it_waits_gives_its_place_back_and_costs_nothing(
    ann: Person, bob: Person, model: LanguageModel, gate: asyncio.Event, how: str
) -> None:
    await one_at_work(ann, model)
    run = await bob.ask(await bob.conversation(), "Second")
    await until_told(bob, run, UIStream())
    if how == "stopped by the user":
        await bob.ok("POST", f"/runs/{run['id']}/stop")
    else:
        [waiting] = [answering for answering in work._at_work.values() if str(answering.run.id) == run["id"]]
        await waiting.interrupt()
    assert queue_of("scripted").waiting == 0
    ended = await bob.ok("GET", f"/runs/{run['id']}")
    assert (ended["status"], ended["usage"]) == (how.split(maxsplit=1)[0], None)
    assert await database().usage.count_documents({}) == 0
    assert len(model.provider.requests) == 1


async def test_a_full_queue_refuses_before_anything_is_written(
    ann: Person, bob: Person, model: LanguageModel, gate: asyncio.Event
) -> None:
    await one_at_work(ann, model)
    await until_told(bob, await bob.ask(await bob.conversation(), "Second"), UIStream())
    conversation = await ann.conversation()
    body = {"parts": [{"type": "text", "text": "Third"}]}
    refused = await ann.http.post(f"/conversations/{conversation}/runs", json=body)
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "model_busy", "5")
    assert await ann.messages(conversation) == []
    queue = queue_of("scripted")
    assert (queue.at_work, queue.waiting) == (1, 1)
