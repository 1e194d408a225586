"""Calls of tools that the user must agree to: the answer waits, and goes on as the user decided, once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from chat import reading, store, work
from chat.journal import MemoryJournal, SharedJournal, wire
from chat.reaper import Reaper
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of
from eloquent.foundation.redis import redis_client
from inference.billing.bill import all_settled
from inference.billing.current import forget_budgets
from inference.billing.types import Budget, Period, Unit
from inference.providers.scripted import saying
from inference.steps import MOST_STEPS
from inference.tokens import estimated_tokens
from inference.tools import registry
from inference.types import Finished, FinishReason, PromptMessage, ToolCall, Usage
from tests.chat.conftest import LanguageModel
from tests.chat.ui_stream import UIStream
from tests.people import Person

DOUBLE = ToolCall("d", "double", '{"number":21}')
ERASE = ToolCall("e", "erase", '{"what":"the disk"}')
CALLED = Finished(FinishReason.TOOL_CALLS, Usage(10, 5, reported=True))
SAID = Finished(FinishReason.STOP, Usage(20, 7, reported=True))
AGREED = [{"approval_id": "approval-e", "approved": True}]
DENIED = [{"approval_id": "approval-e", "approved": False, "reason": "It is mine"}]
TOOLS = ["double", "erase"]


class Erasing:
    """The tool `erase`, which must be agreed to: what it was asked to erase, and whether it comes back."""

    def __init__(self) -> None:
        self.erased: list[str] = []
        self.begun = asyncio.Event()
        self.comes_back = asyncio.Event()
        self.comes_back.set()


@contextmanager
def offered(own: registry.Registry) -> Iterator[None]:
    """The tools of this registry instead of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "registered", own)
        for name in ("needs_approval", "tools_for"):
            patch.setattr(registry, name, getattr(own, name))
        yield


@pytest.fixture
def erasing() -> Iterator[Erasing]:
    """Two tools, one of which must be agreed to."""
    own, tool = registry.Registry(), Erasing()

    @own.tool(timeout_s=1)
    async def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    @own.tool(timeout_s=60, needs_approval=True)
    async def erase(what: str) -> str:
        """Erase something."""
        tool.begun.set()
        await tool.comes_back.wait()
        tool.erased.append(what)
        return "gone"

    with offered(own):
        yield tool


@pytest.fixture
def waits(model: LanguageModel, erasing: Erasing) -> LanguageModel:
    """The model calls both tools, and then says what they did."""
    model.steps = [["Let me see.", DOUBLE, ERASE, CALLED], ["All gone.", SAID]]
    return model


class Waiting:
    """An answer that waits for Ann."""

    def __init__(self, ann: Person, conversation: str, run: dict[str, Any]) -> None:
        self.ann = ann
        self.conversation = conversation
        self.first_run: str = run["id"]
        self.id: str = run["message_id"]

    async def decide(self, approvals: Any, status: int = 202, **options: Any) -> Any:
        return await self.ann.ok(
            "POST", f"/messages/{self.id}/approvals", status, json={"approvals": approvals}, **options
        )

    async def decided(self, approvals: Any) -> dict[str, Any]:
        """The run that went on, at rest."""
        return await self.ann.at_rest((await self.decide(approvals))["id"])

    async def message(self) -> dict[str, Any]:
        return (await self.ann.messages(self.conversation))[-1]

    async def stored(self) -> dict[str, Any]:
        found = await database().messages.find_one({"_id": ObjectId(self.id)})
        assert found is not None
        return found

    def posted(self, *, approved: bool = True, **changes: Any) -> dict[str, Any]:
        """What `useChat` posts: the answer with the user's word in it, and what else it pleases."""
        part = {
            "type": "dynamic-tool",
            "toolName": "erase",
            "toolCallId": "e",
            "state": "approval-responded",
            "input": {"what": "something else"},
            "approval": {"id": "approval-e", "approved": approved},
        }
        answer = {"id": self.id, "role": "assistant", "parts": [{"type": "text", "text": "Forged."}, part], **changes}
        return {"trigger": "submit-message", "messageId": self.id, "messages": [answer]}


async def waiting_for(ann: Person, **body: Any) -> Waiting:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Do it", **{"tools": TOOLS, **body})
    await ann.at_rest(run["id"])
    return Waiting(ann, conversation, run)


async def without_log(run_id: str) -> None:
    """The run's log is not kept any more, here or in Redis."""
    journal, redis = work.journal(), redis_client()
    assert isinstance(journal, SharedJournal)
    assert redis is not None
    journal._local._drop(ObjectId(run_id))
    await redis.delete(wire.key_of(ObjectId(run_id)))


def part_of(message: dict[str, Any], call_id: str) -> dict[str, Any]:
    return next(part for part in message["parts"] if part.get("toolCallId") == call_id)


async def test_the_answer_waits_and_the_other_calls_are_made(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    assert {tool["name"]: tool["needs_approval"] for tool in (await ann.ok("GET", "/tools"))["items"]} == {
        "double": False,
        "erase": True,
    }
    waiting = await waiting_for(ann)
    answer = await waiting.message()
    assert answer["status"] == "complete"
    assert answer["usage"]["finishReason"] == "tool-calls"
    assert part_of(answer, "d")["output"] == 42
    asked = part_of(answer, "e")
    assert (asked["state"], asked["approval"], asked["input"]) == (
        "approval-requested",
        {"id": "approval-e"},
        {"what": "the disk"},
    )
    assert erasing.erased == []
    assert len(waits.provider.requests) == 1
    # Whoever reads it later is asked too.
    _, stream = await ann.read(waiting.first_run)
    assert stream.parts[-1]["approvalId"] == "approval-e"
    await without_log(waiting.first_run)
    _, replayed = await ann.read(waiting.first_run)
    assert replayed.parts == stream.parts


async def test_agreed_to_it_is_called_and_the_answer_goes_on(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    waiting = await waiting_for(ann, options={"temperature": 0.5, "max_output_tokens": 90})
    run = await waiting.decided(AGREED)
    assert run["status"] == "complete"
    assert (run["message_id"], run["id"] == waiting.first_run) == (waiting.id, False)
    answer = await waiting.message()
    assert [part["type"] for part in answer["parts"]] == ["text", "dynamic-tool", "dynamic-tool", "step-start", "text"]
    told = part_of(answer, "e")
    assert (told["state"], told["output"]) == ("output-available", "gone")
    assert told["approval"] == {"id": "approval-e", "approved": True}
    assert (answer["id"], answer["run_id"], answer["status"]) == (waiting.id, run["id"], "complete")
    assert (await waiting.stored())["text"] == "Let me see.\n\nAll gone."
    assert erasing.erased == ["the disk"]
    # The model is shown what it said, and asked as it was asked first.
    first, second = waits.provider.requests
    assert second.messages == (
        *first.messages,
        PromptMessage("assistant", "Let me see.", tool_calls=(DOUBLE, ERASE)),
        PromptMessage("tool", "42", tool_call_id="d", tool_name="double"),
        PromptMessage("tool", "gone", tool_call_id="e", tool_name="erase"),
    )
    assert (second.options, second.tools) == (first.options, first.tools)
    assert second.options.max_output_tokens == 90


async def test_every_call_is_charged_once_and_the_answer_tells_the_sum(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    run = await waiting.decided(AGREED)
    await all_settled()
    lines = await database().usage.find({"user_id": ObjectId(ann.tokens["user"]["id"])}, sort=[("step", 1)]).to_list()
    lines = [line for line in lines if line["_id"].startswith(waiting.id)]
    assert [(line["step"], str(line["run_id"]), line["output_tokens"]) for line in lines] == [
        (0, waiting.first_run, 5),
        (1, run["id"], 7),
    ]
    usage = (await waiting.message())["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["finishReason"]) == (30, 12, "stop")
    assert (run["usage"]["inputTokens"], run["usage"]["outputTokens"]) == (20, 7)
    before = await ann.ok("GET", f"/runs/{waiting.first_run}")
    assert (before["usage"]["inputTokens"], before["usage"]["outputTokens"]) == (10, 5)


async def test_denied_it_is_not_called_and_the_model_is_told_why(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    waiting = await waiting_for(ann)
    run = await waiting.decided(DENIED)
    told = part_of(await waiting.message(), "e")
    assert told["state"] == "output-denied"
    assert told["approval"] == {"id": "approval-e", "approved": False, "reason": "It is mine"}
    assert erasing.erased == []
    assert waits.provider.requests[1].messages[-1].content == (
        "The user did not agree to this call, and says: It is mine"
    )
    _, stream = await ann.read(run["id"])
    assert next(part for part in stream.parts if part.get("toolCallId") == "e")["denied"]


@pytest.mark.parametrize("road", ["rest", "useChat", "socket"])
async def test_a_reader_goes_on_where_the_answer_stopped(
    ann: Person, waits: LanguageModel, erasing: Erasing, road: str
) -> None:
    conversation = await ann.conversation()
    before = await ann.chat(conversation, "Do it", tools=TOOLS)
    assert before.message_id is not None
    waiting = Waiting(ann, conversation, {"id": before.metadata["runId"], "message_id": before.message_id})
    after, ids = UIStream(before=before), []
    if road == "rest":
        headers = {"Accept": "text/event-stream"}
        body = {"approvals": AGREED}
        path = f"/messages/{waiting.id}/approvals"
        async with ann.events(path, method="POST", json=body, headers=headers) as events:
            async for number, chunk in events:
                ids.append(number)
                after.feed(chunk)
    elif road == "useChat":
        async with ann.posting(conversation, **waiting.posted()) as events:
            async for number, chunk in events:
                ids.append(number)
                after.feed(chunk)
    else:
        async with ann.socket() as socket:
            await socket.send(type="send", requestId="r1", id=conversation, **waiting.posted())
            after = await socket.read("r1", UIStream(before=before))
    # What is called is what the model asked for, whatever the client says that it was.
    assert erasing.erased == ["the disk"]
    assert after.text == "Let me see.All gone."
    run_id = after.metadata["runId"]
    assert run_id != waiting.first_run
    # Whoever comes later is given the whole answer, as one that was never interrupted.
    _, whole = await ann.read(run_id)
    assert whole.message_id == waiting.id
    assert whole.parts == after.parts
    if ids:
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        async with ann.events(f"/runs/{run_id}/stream", headers={"Last-Event-ID": str(ids[-2])}) as events:
            assert [chunk["type"] async for _, chunk in events] == ["finish"]


async def test_who_resumes_while_it_goes_on_is_given_all_of_it(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    waiting = await waiting_for(ann)
    erasing.comes_back.clear()
    run = await waiting.decide(AGREED)
    await erasing.begun.wait()
    assert (await ann.messages(waiting.conversation))[-1]["status"] == "streaming"
    stream = UIStream()
    async with ann.events(f"/ui/chat/{waiting.conversation}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if chunk["type"] == "tool-input-available" and chunk["toolCallId"] == "e":
                erasing.comes_back.set()
    assert stream.message_id == waiting.id
    assert stream.text == "Let me see.All gone."
    # It is being made, so nobody is asked again.
    assert "approvalId" not in stream.parts[-3]
    # One who still follows the run that waited is led on.
    await ann.at_rest(run["id"])
    _, old = await ann.read(waiting.first_run)
    assert old.message_id == waiting.id


async def test_who_reads_all_of_it_just_after_its_end_need_not_wait(
    ann: Person, waits: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    run = await waiting.decided(AGREED)
    monkeypatch.setattr(reading, "_POLL_FIRST_S", 60.0)
    async with asyncio.timeout(20):
        _, stream = await ann.read(run["id"])
    assert stream.text == "Let me see.All gone."


async def test_a_reader_of_the_run_that_waited_is_led_to_the_one_that_goes_on(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    waiting = await waiting_for(ann)
    erasing.comes_back.clear()
    await waiting.decide(AGREED)
    await erasing.begun.wait()
    await without_log(waiting.first_run)
    reading = asyncio.create_task(ann.read(waiting.first_run))
    await asyncio.sleep(0.2)
    erasing.comes_back.set()
    _, stream = await reading
    assert stream.text == "Let me see.All gone."


async def test_only_what_waits_can_be_decided_and_only_once(ann: Person, bob: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    other = [{"approval_id": "approval-d", "approved": True}]
    problem = await waiting.decide(other, 422)
    assert (problem["code"], problem["missing"]) == ("approvals_missing", ["approval-e"])
    for wrong in ([], [{"approval_id": "", "approved": True}], [{"approval_id": "approval-e"}], AGREED * 9, "e"):
        assert (await waiting.decide(wrong, 422))["code"] == "invalid_input"
    assert (await waiting.decide([{**AGREED[0], "reason": "x" * 501}], 422))["code"] == "invalid_input"
    await bob.ok("POST", f"/messages/{waiting.id}/approvals", 404, json={"approvals": AGREED})
    posted = {"id": await bob.conversation(), **waiting.posted()}
    await bob.ok("POST", "/ui/chat", 404, json=posted)
    question = (await ann.messages(waiting.conversation))[0]["id"]
    problem = await ann.ok("POST", f"/messages/{question}/approvals", 409, json={"approvals": AGREED})
    assert problem["code"] == "nothing_to_approve"
    # Twice at once: one of the two goes on with it.
    path, body = f"/messages/{waiting.id}/approvals", {"approvals": AGREED}
    answers = await asyncio.gather(*(ann.http.post(path, json=body) for _ in range(4)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [202, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "nothing_to_approve",
        "branch_busy",
    }
    await ann.at_rest(next(answer.json()["id"] for answer in answers if answer.status_code == 202))
    assert (await waiting.decide(AGREED, 409))["code"] == "nothing_to_approve"
    assert len(waits.provider.requests) == 2


async def test_a_request_that_is_sent_twice_goes_on_once(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    headers = {"Idempotency-Key": "twice"}
    path, body = f"/messages/{waiting.id}/approvals", {"approvals": AGREED}
    at_once = await asyncio.gather(*(ann.http.post(path, json=body, headers=headers) for _ in range(3)))
    assert [answer.status_code for answer in at_once] == [202] * 3
    [run_id] = {answer.json()["id"] for answer in at_once}
    await ann.at_rest(run_id)
    assert (await waiting.decide(AGREED, headers=headers))["id"] == run_id


@pytest.mark.parametrize(
    "last",
    [
        {"parts": [{"type": "text", "text": "x"}]},
        {"parts": [{"state": "approval-requested", "approval": {"id": "approval-e"}}]},
        {"parts": [{"state": "approval-responded", "approval": {"id": "approval-e"}}]},
        {"parts": [{"state": "approval-responded", "approval": {"id": 1, "approved": True}}]},
        {"parts": [{"state": "approval-responded"}]},
        {"parts": "all"},
        {"id": "mine"},
        {"id": 7},
    ],
)
async def test_an_answer_that_is_posted_without_a_decision_is_refused(
    ann: Person, waits: LanguageModel, last: dict[str, Any]
) -> None:
    waiting = await waiting_for(ann)
    body = {"id": waiting.conversation, **waiting.posted(**last)}
    problem = await ann.ok("POST", "/ui/chat", 422, json=body)
    assert problem["code"] in ("invalid_input", "malformed_message")
    assert len(waits.provider.requests) == 1


async def test_a_conversation_that_went_on_does_not_go_back(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    waits.steps = []
    await ann.at_rest((await ann.ask(waiting.conversation, "Never mind"))["id"])
    assert (await waiting.decide(AGREED, 409))["code"] == "conversation_went_on"


async def test_nothing_else_is_asked_behind_an_answer_that_goes_on(
    ann: Person, waits: LanguageModel, erasing: Erasing
) -> None:
    waiting = await waiting_for(ann)
    erasing.comes_back.clear()
    run = await waiting.decide(AGREED)
    await erasing.begun.wait()
    assert (await ann.ask(waiting.conversation, "Next", 409))["code"] == "branch_busy"
    stopped = await ann.ok("POST", f"/runs/{run['id']}/stop")
    assert stopped["status"] == "stopped"
    answer = await waiting.message()
    assert (answer["status"], part_of(answer, "e")["state"]) == ("stopped", "approval-responded")
    assert answer["usage"]["inputTokens"] == 10
    # It was begun once, and is not begun again.
    assert (await waiting.decide(AGREED, 409))["code"] == "nothing_to_approve"


async def test_a_spent_budget_leaves_the_answer_waiting(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    small = Budget(id=ObjectId(), name="Small", period=Period.DAY, unit=Unit.TOKENS, limit=10)
    await database().budgets.insert_one(document_of(small))
    await forget_budgets()
    try:
        assert (await waiting.decide(AGREED, 429))["code"] == "budget_spent"
    finally:
        await database().budgets.delete_many({})
        await forget_budgets()
    assert (await waiting.decided(AGREED))["status"] == "complete"


async def test_a_tool_that_is_gone_is_not_called(ann: Person, waits: LanguageModel, erasing: Erasing) -> None:
    waiting = await waiting_for(ann)
    with offered(registry.Registry()):
        await waiting.decided(AGREED)
    told = part_of(await waiting.message(), "e")
    assert told["state"] == "output-error"
    assert "no tool named erase" in told["errorText"]
    assert erasing.erased == []


async def test_an_answer_may_wait_again_and_its_steps_are_bounded_all_the_same(
    ann: Person, model: LanguageModel, erasing: Erasing
) -> None:
    model.script = [ERASE, CALLED]
    waiting = await waiting_for(ann)
    for number in range(1, MOST_STEPS - 1):
        [asked] = [part for part in (await waiting.message())["parts"] if part.get("state") == "approval-requested"]
        await waiting.decided([{"approval_id": asked["approval"]["id"], "approved": number % 2 == 0}])
    [asked] = [part for part in (await waiting.message())["parts"] if part.get("state") == "approval-requested"]
    model.script = saying("Enough.")
    await waiting.decided([{"approval_id": asked["approval"]["id"], "approved": True}])
    assert len(model.provider.requests) == MOST_STEPS
    assert model.provider.requests[-1].tools == ()
    assert model.provider.requests[-2].tools != ()
    answer = await waiting.message()
    assert len({part["toolCallId"] for part in answer["parts"] if part["type"] == "dynamic-tool"}) == MOST_STEPS - 1
    assert len(erasing.erased) == MOST_STEPS // 2
    # The model is shown every step, in order.
    told = [message.content for message in model.provider.requests[-1].messages if message.role == "tool"]
    assert [text == "gone" for text in told] == [number % 2 == 0 for number in range(1, MOST_STEPS - 1)] + [True]


async def test_clients_of_before_6_are_not_sent_what_they_do_not_know(ann: Person, waits: LanguageModel) -> None:
    conversation, kinds = await ann.conversation(), []
    async with ann.posting(conversation, "Do it", tools=TOOLS, headers={"X-AI-SDK-Version": "5"}) as events:
        async for _, chunk in events:
            kinds.append(chunk["type"])
    assert "tool-input-available" in kinds
    assert "tool-approval-request" not in kinds
    answer = (await ann.messages(conversation))[-1]
    waiting = Waiting(ann, conversation, {"id": answer["run_id"], "message_id": answer["id"]})
    said: list[dict[str, Any]] = []
    posted = waiting.posted(approved=False)
    async with ann.posting(conversation, **posted, headers={"X-AI-SDK-Version": "5.0.0"}) as events:
        async for _, chunk in events:
            said.append(chunk)
    [error] = [chunk for chunk in said if chunk["type"] == "tool-output-error"]
    assert error["errorText"] == "The user did not agree to this call."


@pytest.mark.parametrize("wrote", [False, True], ids=["while the tool works", "in the next step"])
async def test_a_worker_that_is_lost_on_the_way_is_charged_for_what_was_asked_alone(
    ann: Person, waits: LanguageModel, erasing: Erasing, wrote: bool
) -> None:
    waiting = await waiting_for(ann)
    waits.steps = [["Short.", asyncio.Event()]]
    erasing.comes_back.clear()
    run = await waiting.decide(AGREED)
    await erasing.begun.wait()
    answering = work.at_work(ObjectId(run["id"]))
    assert answering is not None
    if wrote:
        erasing.comes_back.set()
        await waits.provider.until(2)
        async with ann.events(f"/runs/{run['id']}/stream") as events:
            async for _, chunk in events:
                if chunk.get("delta") == "Short.":
                    break
    await answering._keep_progress()
    await database().runs.update_one({"_id": answering.run.id}, {"$set": {"lease_expires_at": now() - timedelta(1)}})
    await Reaper(work.journal(), {}).reap()
    await all_settled()
    lines = await database().usage.find({"_id": {"$regex": f"^{waiting.id}"}}, sort=[("step", 1)]).to_list()
    told = [(line["step"], line["outcome"], line["output_tokens"]) for line in lines]
    assert told == [(0, "complete", 5), *([(1, "lost", estimated_tokens("Short."))] if wrote else [])]
    answer = await waiting.message()
    assert answer["status"] == "interrupted"
    assert answer["usage"]["outputTokens"] == sum(line["output_tokens"] for line in lines)
    rest = await database().runs.find_one({"_id": answering.run.id})
    assert rest is not None
    assert (rest["usage"] or {}).get("outputTokens") == (estimated_tokens("Short.") if wrote else None)
    await answering.interrupt()


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_crash_before_the_answer_was_the_runs_leaves_it_waiting(
    ann: Person, waits: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await waiting_for(ann)
    update = store.runs.group_commit.update

    async def crash(collection: str, *arguments: Any, **options: Any) -> bool:
        if collection == "messages":
            raise ConnectionError("the process is gone")
        return await update(collection, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store.runs.group_commit, "update", crash)
        await waiting.decide(AGREED, 500)
    left = await database().runs.find_one({"message_id": ObjectId(waiting.id), "active": True})
    assert left is not None
    await database().runs.update_one({"_id": left["_id"]}, {"$set": {"lease_expires_at": now() - timedelta(1)}})
    await Reaper(MemoryJournal(), ()).reap()
    assert await database().runs.find_one({"_id": left["_id"]}) is None
    assert (await waiting.decided(AGREED))["status"] == "complete"
    assert (await waiting.message())["run_id"] != str(left["_id"])


async def test_a_worker_that_was_late_writes_nothing_into_what_goes_on(ann: Person, waits: LanguageModel) -> None:
    waiting = await waiting_for(ann)
    before = await store.find_message(ObjectId(ann.tokens["user"]["id"]), ObjectId(waiting.id))
    assert before is not None
    await waiting.decided(AGREED)
    await database().messages.update_one({"_id": before.id}, {"$set": {"status": "streaming"}})
    assert not await store.keep_answer(before)
    assert not await store.keep_progress(before)
