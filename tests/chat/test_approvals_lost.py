"""Answers that wait for their user, on bad days: workers that die or freeze at any point, and those who come late."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from chat import answering as answering_module
from chat import approvals, reaper, store, work
from chat.imports.own import _parts
from chat.journal import MemoryJournal
from chat.reaper import Reaper
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from inference import retries
from inference.catalog import offering
from inference.errors import AnswerCutOff
from inference.providers.scripted import Scripted, saying
from inference.types import ToolCall
from tests.chat.conftest import LanguageModel
from tests.chat.test_approvals import (
    AGREED,
    CALLED,
    ERASE,
    SAID,
    TOOLS,
    Erasing,
    Waiting,
    erasing,
    waiting_for,
    waits,
)
from tests.chat.test_fallbacks import FIRST, SECOND
from tests.people import Person

__all__ = ["erasing", "waits"]

LONG_AGO = {"lease_expires_at": now() - timedelta(days=1)}


async def run_of(criteria: dict[str, Any]) -> dict[str, Any] | None:
    return await database().runs.find_one(criteria)


async def agreeing(ann: Person, waiting: Waiting) -> "asyncio.Task[Any]":
    """The decision, on its way."""
    path = f"/messages/{waiting.id}/approvals"
    return asyncio.create_task(ann.http.post(path, json={"approvals": AGREED}))


def frozen_before_the_claim(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The worker stands still between its two writes: set when it does, and to be set when it goes on."""
    update, frozen, goes = store.runs.group_commit.update, asyncio.Event(), asyncio.Event()

    async def slow(collection: str, *arguments: Any, **options: Any) -> bool:
        if collection == "messages" and not frozen.is_set():
            frozen.set()
            await goes.wait()
        return await update(collection, *arguments, **options)

    monkeypatch.setattr(store.runs.group_commit, "update", slow)
    return frozen, goes


def held_at_its_tools(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The first decision is held before anything is written: set when it is, and to be set when it goes on."""
    again, asked, goes = approvals.toolkit_again, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        if not asked.is_set():
            asked.set()
            await goes.wait()
        return await again(*arguments)

    monkeypatch.setattr(approvals, "toolkit_again", slow)
    return asked, goes


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_run_whose_record_was_not_saved_when_its_answer_went_on_is_brought_to_rest_alone(
    ann: Person, waits: LanguageModel
) -> None:
    waiting = await waiting_for(ann)
    first = {"_id": ObjectId(waiting.first_run)}
    await database().runs.update_one(first, {"$set": {"active": True, "status": "streaming", **LONG_AGO}})
    # Its lock is on the branch before it, so the answer may go on all the same.
    await waiting.decided(AGREED)
    await Reaper(MemoryJournal(), ()).reap()
    messages = await ann.messages(waiting.conversation)
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["status"] == "complete"
    rested = await run_of(first)
    assert rested is not None
    assert (rested["active"], rested["status"], rested["usage"]["outputTokens"]) == (False, "complete", 5)


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_worker_that_was_frozen_before_it_took_up_the_answer_takes_up_none(
    ann: Person, waits: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    frozen, goes = frozen_before_the_claim(monkeypatch)
    deciding = await agreeing(ann, waiting)
    await frozen.wait()
    await database().runs.update_one({"message_id": ObjectId(waiting.id), "active": True}, {"$set": LONG_AGO})
    await Reaper(MemoryJournal(), ()).reap()
    goes.set()
    assert (await deciding).json()["code"] == "nothing_to_approve"
    assert erasing.erased == []
    # It waits as before, and the next decision is taken.
    assert (await waiting.decided(AGREED))["status"] == "complete"
    assert erasing.erased == ["the disk"]


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_worker_that_was_faster_than_the_reaper_has_its_answer_brought_to_rest(
    ann: Person, waits: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    frozen, goes = frozen_before_the_claim(monkeypatch)
    read = store.message_of_run

    async def wakes(run: Any) -> Any:
        found = await read(run)
        goes.set()
        await asyncio.sleep(0.2)
        return found

    erasing.comes_back.clear()
    deciding = await agreeing(ann, waiting)
    await frozen.wait()
    await database().runs.update_one({"message_id": ObjectId(waiting.id), "active": True}, {"$set": LONG_AGO})
    with monkeypatch.context() as patch:
        patch.setattr(reaper.store, "message_of_run", wakes)
        await Reaper(MemoryJournal(), ()).reap()
    assert (await deciding).status_code == 202
    assert (await waiting.message())["status"] == "interrupted"


async def test_what_is_written_while_a_decision_is_on_its_way_comes_first(
    ann: Person, waits: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    asked, goes = held_at_its_tools(monkeypatch)
    deciding = await agreeing(ann, waiting)
    await asked.wait()
    waits.steps, waits.script = [], saying("Fine.")
    await ann.at_rest((await ann.ask(waiting.conversation, "Never mind, do not erase it"))["id"])
    goes.set()
    assert (await deciding).json()["code"] == "conversation_went_on"
    assert erasing.erased == []
    assert (await ann.messages(waiting.conversation))[-1]["parts"] == [{"type": "text", "text": "Fine."}]


async def test_a_decision_that_comes_when_another_has_been_carried_out_changes_nothing(
    ann: Person, waits: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    asked, goes = held_at_its_tools(monkeypatch)
    deciding = await agreeing(ann, waiting)
    await asked.wait()
    await waiting.decided(AGREED)
    before = await waiting.message()
    goes.set()
    assert (await deciding).json()["code"] == "nothing_to_approve"
    assert erasing.erased == ["the disk"]
    assert await waiting.message() == before


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_an_answer_whose_readers_were_asked_waits_also_when_its_worker_died_before_it_was_saved(
    ann: Person, waits: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise AutoReconnect("away")

    conversation = await ann.conversation()
    monkeypatch.setattr(answering_module, "TOLD_AFTER_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(store, "keep_rest", away)
        run = await ann.ask(conversation, "Do it", tools=TOOLS)
        _, stream = await ann.read(run["id"])
        assert stream.last is not None
        assert stream.last["finishReason"] == "tool-calls"
        at_work = work.at_work(ObjectId(run["id"]))
        assert at_work is not None
        assert at_work.finished is not None
        at_work.finished.cancel()
        await asyncio.wait([at_work.finished])
    await database().runs.update_one({"_id": ObjectId(run["id"])}, {"$set": LONG_AGO})
    await Reaper(work.journal(), ()).reap()
    waiting = Waiting(ann, conversation, run)
    assert (await waiting.decided(AGREED))["status"] == "complete"
    assert erasing.erased == ["the disk"]


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_an_answer_that_was_taken_up_is_counted_once(
    ann: Person, waits: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)

    async def crash(*_: Any, **__: Any) -> None:
        raise ConnectionError("the process is gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, "show_run", crash)
        await waiting.decide(AGREED, 500)
    await database().runs.update_one({"message_id": ObjectId(waiting.id), "active": True}, {"$set": LONG_AGO})
    await Reaper(MemoryJournal(), ()).reap()
    assert (await ann.ok("GET", f"/conversations/{waiting.conversation}"))["message_count"] == 2
    assert (await waiting.message())["status"] == "interrupted"


async def test_a_decision_is_never_taken_for_one_about_another_call(
    ann: Person, model: LanguageModel, erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    harmless, everything = (ToolCall("", "erase", f'{{"what":"{what}"}}') for what in ("a note", "everything"))
    steps = [[harmless, CALLED], [everything, CALLED]]
    first = Scripted([harmless, AnswerCutOff("it")], name="first")
    with offering(FIRST, first), offering(SECOND, Scripted(lambda _: steps.pop(0), name="second")):
        waiting = await waiting_for(ann, model=FIRST.id)
        parts = (await waiting.message())["parts"]
        [asked] = [part for part in parts if part.get("state") == "approval-requested"]
        agreed = [{"approval_id": asked["approval"]["id"], "approved": True}]
        await waiting.decided(agreed)
        assert erasing.erased == ["a note"]
        assert (await waiting.decide(agreed, 422))["code"] == "approvals_missing"
    assert erasing.erased == ["a note"]


@pytest.mark.parametrize("count", [1, 3, 8])
async def test_positions_mean_the_same_for_those_who_come_while_many_calls_are_made(
    ann: Person, model: LanguageModel, erasing: Erasing, count: int
) -> None:
    calls = [ToolCall(f"e{number}", "erase", f'{{"what":"{number}"}}') for number in range(count)]
    held = asyncio.Event()
    model.steps = [["Let me see.", *calls, CALLED], ["All", held, " gone", SAID]]
    waiting = await waiting_for(ann)
    run = await waiting.decide([{"approval_id": f"approval-{call.id}", "approved": True} for call in calls])
    await model.provider.until(2)
    answering = work.at_work(ObjectId(run["id"]))
    assert answering is not None
    while "All" not in str(answering._answer.parts()):  # noqa: ASYNC110  (a turn of the loop, not a wait)
        await asyncio.sleep(0.01)
    await answering._keep_progress()
    async with ann.socket() as socket:
        await socket.send(type="resume", requestId="r", id=waiting.conversation)
        assert await socket.frame() == {"type": "start", "requestId": "r"}
        reading = asyncio.create_task(socket.read("r"))
        await asyncio.sleep(0.1)
        held.set()
        stream = await reading
    assert stream.text == "Let me see.All gone"


async def test_ids_that_a_server_makes_too_long_are_made_anew(
    ann: Person, model: LanguageModel, erasing: Erasing
) -> None:
    model.steps = [[ToolCall("e" * 400, "erase", '{"what":"x"}'), CALLED], ["Gone.", SAID]]
    waiting = await waiting_for(ann)
    [asked] = [part for part in (await waiting.message())["parts"] if part.get("state") == "approval-requested"]
    await waiting.decided([{"approval_id": asked["approval"]["id"], "approved": True}])
    assert erasing.erased == ["x"]


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_record_that_cannot_be_read_keeps_no_other_run_from_coming_to_rest(
    ann: Person, waits: LanguageModel
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    damaged = {"_id": ObjectId(), "active": True, "conversation_id": ObjectId(), "branch_id": ObjectId(), **LONG_AGO}
    await database().runs.insert_one(damaged)
    await database().runs.update_one({"_id": ObjectId(run["id"])}, {"$set": {"active": True, **LONG_AGO}})
    await Reaper(MemoryJournal(), ()).reap()
    rested = await run_of({"_id": ObjectId(run["id"])})
    await database().runs.delete_one({"_id": damaged["_id"]})
    assert rested is not None
    assert not rested["active"]


def test_what_waited_where_it_was_exported_asks_nobody_where_it_is_imported() -> None:
    part = {"type": "dynamic-tool", "toolName": "x", "toolCallId": "a", "input": {}, "approval": {"id": "approval-a"}}
    [kept] = _parts([{**part, "state": "approval-requested"}])
    assert kept == {name: value for name, value in part.items() if name != "approval"} | {"state": "input-available"}


async def test_an_imported_answer_never_waits(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    imported = {"parts": _parts([{"type": "dynamic-tool", "toolName": "x"}]), "resumption": None, "run_id": None}
    await database().messages.update_one({"_id": ObjectId(waiting.id)}, {"$set": imported})
    assert (await waiting.decide(AGREED, 409))["code"] == "nothing_to_approve"


async def test_an_answer_of_some_length_can_be_decided_about_over_the_socket(
    ann: Person, model: LanguageModel, erasing: Erasing
) -> None:
    model.steps = [["word " * 30_000, ERASE, CALLED], ["Gone.", SAID]]
    waiting = await waiting_for(ann)
    decided = {"state": "approval-responded", "approval": {"id": "approval-e", "approved": True}}
    parts = [
        {**part, **decided} if part.get("toolCallId") == "e" else part for part in (await waiting.message())["parts"]
    ]
    answer = {"id": waiting.id, "role": "assistant", "parts": parts}
    async with ann.socket() as socket:
        frame = {"id": waiting.conversation, "trigger": "submit-message", "messages": [answer]}
        await socket.send(type="send", requestId="r1", **frame)
        last = await socket.read_rest()
    assert last["type"] == "finish"
    assert erasing.erased == ["the disk"]
