"""A request that is sent again because nobody heard what became of it: its worker was lost, or is slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace

from chat import runs, store, work
from chat.answering import Answering
from chat.journal import MemoryJournal
from chat.reaper import Reaper
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.chat.test_approvals import AGREED, Waiting, erasing, waiting_for, waits
from tests.chat.test_approvals_lost import LONG_AGO
from tests.people import Person

__all__ = ["erasing", "waits"]

KEY = "once"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a repeated request has found a run that it does not return yet."""
    is_written, event = store.is_written, asyncio.Event()

    async def told(*arguments: Any) -> bool:
        written = await is_written(*arguments)
        if not written:
            event.set()
        return written

    monkeypatch.setattr(store, "is_written", told)
    monkeypatch.setattr(runs, "_LOOKED_AGAIN_MOST_S", 0.02)
    return event


@asynccontextmanager
async def sent_again(request: Any, looked: asyncio.Event) -> AsyncIterator["asyncio.Task[Any]"]:
    """The repeated request, which has looked once and waits."""
    async with asyncio.timeout(10):
        sending = asyncio.create_task(request)
        try:
            await looked.wait()
            assert not sending.done()
            yield sending
        finally:
            await asyncio.wait([sending])


async def half_begun(run: dict[str, Any]) -> None:
    """What a worker leaves that was killed when the run was written, and its messages were not."""
    await database().messages.delete_many({"run_id": ObjectId(run["id"])})
    await at_work_elsewhere(run)
    nothing = {"leaf_id": None, "message_count": 0}
    await database().conversations.update_one({"_id": ObjectId(run["conversation_id"])}, {"$set": nothing})


async def at_work_elsewhere(run: dict[str, Any]) -> None:
    """Its worker may still live, for all that anybody knows."""
    lease = {"lease_expires_at": now() + timedelta(minutes=1)}
    fields = {"active": True, "status": "queued", "finished_at": None, "usage": None} | lease
    await database().runs.update_one({"_id": ObjectId(run["id"])}, {"$set": fields})


async def reaped(run: dict[str, Any]) -> None:
    """Its lease is over, and a reaper comes by."""
    await database().runs.update_one({"_id": ObjectId(run["id"])}, {"$set": LONG_AGO})
    await Reaper(work.journal(), ()).reap()


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_request_whose_worker_was_lost_before_it_was_written_is_taken_up_anew(
    ann: Person, model: LanguageModel, looked: asyncio.Event
) -> None:
    conversation = await ann.conversation()
    first = await ann.ask(conversation, "Hi", key=KEY)
    await ann.at_rest(first["id"])
    await half_begun(first)
    model.script = saying("All of it.")
    async with sent_again(ann.ask(conversation, "Hi", key=KEY), looked) as sending:
        await reaped(first)
        again = await sending
    assert again["id"] != first["id"]
    assert (await ann.at_rest(again["id"]))["status"] == "complete"
    question, answer = await ann.messages(conversation)
    assert (question["parts"][0]["text"], answer["parts"][-1]["text"]) == ("Hi", "All of it.")


@pytest.mark.usefixtures("model")
async def test_a_request_sent_twice_at_once_is_answered_when_it_is_written(
    ann: Person, looked: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, gate = store.runs.group_commit.insert, asyncio.Event()

    async def slow(collection: str, *arguments: Any, **options: Any) -> None:
        if collection == "messages":
            await gate.wait()
        await insert(collection, *arguments, **options)

    monkeypatch.setattr(store.runs.group_commit, "insert", slow)
    conversation = await ann.conversation()
    first = asyncio.create_task(ann.ask(conversation, "Hi", key=KEY))
    async with asyncio.timeout(10):
        while await database().runs.find_one({"conversation_id": ObjectId(conversation)}) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    async with sent_again(ann.ask(conversation, "Hi", key=KEY), looked) as sending:
        gate.set()
        assert (await sending)["id"] == (await first)["id"]
    assert len(await ann.messages(conversation)) == 2


@pytest.mark.usefixtures("model")
async def test_a_request_that_stays_half_taken_up_is_to_be_sent_again_later(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await ann.conversation()
    first = await ann.ask(conversation, "Hi", key=KEY)
    await ann.at_rest(first["id"])
    await half_begun(first)
    monkeypatch.setattr(runs, "_BEGUN_WITHIN_S", 0.05)
    body = {"parts": [{"type": "text", "text": "Hi"}]}
    path, headers = f"/conversations/{conversation}/runs", {"Idempotency-Key": KEY}
    refused = await ann.http.post(path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "being_begun")
    assert refused.headers["Retry-After"] == "2"


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_decision_whose_worker_was_lost_before_it_took_the_answer_up_is_taken_up_anew(
    ann: Person, waits: LanguageModel, looked: asyncio.Event
) -> None:
    waiting = await waiting_for(ann)
    before = await database().messages.find_one({"_id": ObjectId(waiting.id)})
    assert before is not None
    first = await _decided(waiting, ann)
    await ann.at_rest(first["id"])
    # The run was written, and the answer still waits.
    await database().messages.replace_one({"_id": ObjectId(waiting.id)}, before)
    await database().usage.delete_many({"run_id": ObjectId(first["id"])})
    await at_work_elsewhere(first)
    async with sent_again(_decided(waiting, ann), looked) as sending:
        await reaped(first)
        again = await sending
    assert again["id"] != first["id"]
    assert (await ann.at_rest(again["id"]))["status"] == "complete"
    assert (await waiting.message())["status"] == "complete"


async def _decided(waiting: Waiting, ann: Person) -> Any:
    path = f"/messages/{waiting.id}/approvals"
    return await ann.ok("POST", path, 202, json={"approvals": AGREED}, headers={"Idempotency-Key": KEY})


async def test_who_reads_a_run_that_is_being_begun_is_told_all_of_it(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found among the conversation's active ones, before its messages are there."""
    model.script = saying("All of it.")
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    message = await database().messages.find_one({"_id": ObjectId(run["message_id"])})
    assert message is not None
    await database().messages.delete_one({"_id": message["_id"]})
    await at_work_elsewhere(run)
    monkeypatch.setattr(work, "journal", MemoryJournal)  # its log is another worker's, which nobody reaches
    find, asked = store.find_message, asyncio.Event()

    async def told(*arguments: Any) -> Any:
        found = await find(*arguments)
        asked.set()
        return found

    monkeypatch.setattr(store, "find_message", told)
    reading = asyncio.create_task(ann.read(run["id"]))
    async with asyncio.timeout(10):
        await asked.wait()
        await database().messages.insert_one(message)
        await database().runs.update_one({"_id": ObjectId(run["id"])}, {"$set": {"active": False}})
        _, stream = await reading
    assert stream.text == "All of it."


@pytest.mark.usefixtures("model")
async def test_a_run_whose_budget_was_asked_for_long_has_its_whole_lease_when_it_is_written(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Answering.reserve

    async def slow(answering: Answering) -> None:
        answering.run = replace(answering.run, lease_expires_at=now() - timedelta(seconds=1))
        await reserve(answering)

    monkeypatch.setattr(Answering, "reserve", slow)
    run = await ann.ask(await ann.conversation(), "Hi")
    stored = await database().runs.find_one({"_id": ObjectId(run["id"])})
    assert stored is not None
    assert stored["lease_expires_at"] > now()
