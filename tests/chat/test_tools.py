"""Tools in a conversation: what readers see, what is kept, what is charged, and who may have which."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace

from chat import tool_choice, work
from chat.reaper import Reaper
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from inference.billing.bill import all_settled
from inference.catalog import offering
from inference.providers.scripted import Scripted, saying
from inference.tokens import estimated_tokens
from inference.tools import registry
from inference.types import Finished, FinishReason, ToolCall, Usage
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.chat.ui_stream import UIStream
from tests.people import Person

CALL = ToolCall("a", "calculate", '{"expression": "6 * 7"}')
CALLED = Finished(FinishReason.TOOL_CALLS, Usage(10, 5, reported=True))
SAID = Finished(FinishReason.STOP, Usage(20, 7, reported=True))
PARTS = [
    {"type": "text", "text": "Let me see."},
    {
        "type": "dynamic-tool",
        "toolName": "calculate",
        "toolCallId": "a",
        "state": "output-available",
        "input": {"expression": "6 * 7"},
        "output": 42,
    },
    {"type": "step-start"},
    {"type": "text", "text": "It is 42."},
]


@pytest.fixture
def two_steps(model: LanguageModel) -> LanguageModel:
    """The model calls a tool, and then says what it was told."""
    model.steps = [["Let me see.", CALL, CALLED], ["It is 42.", SAID]]
    return model


async def asked(ann: Person) -> tuple[str, dict[str, Any]]:
    """A conversation whose question was answered with the help of a tool, and its run at rest."""
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "What is 6 * 7?", tools=["calculate"])
    return conversation, await ann.at_rest(run["id"])


@pytest.mark.usefixtures("two_steps")
async def test_a_tool_is_called_and_the_answer_tells_it_all(ann: Person) -> None:
    conversation, run = await asked(ann)
    answer = (await ann.messages(conversation))[-1]
    assert answer["parts"] == PARTS
    assert answer["status"] == "complete"
    stored = await database().messages.find_one({"_id": ObjectId(answer["id"])})
    assert stored is not None
    assert (stored["text"], stored["calls"]) == ("Let me see.\n\nIt is 42.", 2)
    assert run["usage"]["inputTokens"] == 30
    assert run["usage"]["outputTokens"] == 12
    await all_settled()
    lines = await database().usage.find({"run_id": ObjectId(run["id"])}, sort=[("step", 1)]).to_list()
    assert [(line["step"], line["input_tokens"]) for line in lines] == [(0, 10), (1, 20)]
    # A later question is asked with what was said, without the machinery.
    await ann.at_rest((await ann.ask(conversation, "Thanks"))["id"])


@pytest.mark.usefixtures("two_steps")
@pytest.mark.parametrize("version", ["6", "7"])
async def test_readers_are_shown_the_steps(ann: Person, version: str) -> None:
    conversation, stream = await ann.conversation(), UIStream()
    headers = {"X-AI-SDK-Version": version}
    async with ann.posting(conversation, "6 * 7?", tools=["calculate"], headers=headers) as events:
        async for _, chunk in events:
            stream.feed(chunk)
    assert [part["type"] for part in stream.parts] == ["text", "tool-input-available", "step-start", "text"]
    assert stream.parts[1]["output"] == 42
    answer = (await ann.messages(conversation))[-1]
    assert (await ann.read(answer["run_id"]))[1].parts == stream.parts


@pytest.mark.usefixtures("two_steps")
async def test_the_socket_takes_tools_too(ann: Person) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "6 * 7?", body={"tools": ["calculate"]})
        stream = await socket.read("r1")
    assert stream.text == "Let me see.It is 42."
    assert (await ann.messages(conversation))[-1]["parts"] == PARTS


async def test_without_a_word_the_tools_of_the_settings_are_offered_to_models_that_use_tools(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tool_choice.get_config()
    monkeypatch.setattr(tool_choice, "get_config", lambda: config.model_copy(update={"default_tools": ("calculate",)}))
    able = replace(SCRIPTED, id="able/it", provider="able", capabilities=("tools",))
    provider = Scripted(saying("x"), name="able")
    with offering(able, provider):
        for offered, body, expected in (
            (able, {}, ["calculate"]),
            (able, {"tools": []}, []),
            (SCRIPTED, {}, []),
        ):
            run = await ann.ask(await ann.conversation(), "Hi", model=offered.id, **body)
            await ann.at_rest(run["id"])
            asked_one = provider if offered is able else model.provider
            assert [tool.name for tool in asked_one.requests[-1].tools] == expected


@pytest.mark.usefixtures("model")
async def test_what_cannot_be_offered_is_refused_before_anything_is_written(ann: Person) -> None:
    conversation = await ann.conversation()
    assert (await ann.ask(conversation, "Hi", 422, tools=["launch"]))["code"] == "tool_not_offered"
    blind = replace(SCRIPTED, id="blind/it", provider="blind", capabilities=("completion",))
    with offering(blind, Scripted(saying("x"), name="blind")):
        problem = await ann.ask(conversation, "Hi", 422, tools=["calculate"], model="blind/it")
        assert problem["code"] == "model_without_tools"
    for tools in (["x" * 65], [""], ["calculate"] * 65, "calculate", [1]):
        assert (await ann.ask(conversation, "Hi", 422, tools=tools))["code"] == "invalid_input"
        message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
        body = {"id": conversation, "messages": [message], "tools": tools}
        assert (await ann.ok("POST", "/ui/chat", 422, json=body))["code"] == "invalid_input"
    assert await ann.messages(conversation) == []


async def test_the_list_of_tools_is_what_the_user_may_have_called(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tool["name"] for tool in (await ann.ok("GET", "/tools"))["items"]]
    assert names == ["calculate", "current_time"]
    own = registry.Registry()

    @own.tool(timeout_s=1, permission="Researchers")
    async def look_up() -> str:
        """For researchers."""
        return ""

    @own.tool(timeout_s=1, needs_approval=True)
    async def erase() -> str:
        """One agrees to it when it is called."""
        return ""

    monkeypatch.setattr(registry, "registered", own)
    for name in ("needs_approval", "tools_for"):
        monkeypatch.setattr(registry, name, getattr(own, name))
    group = ObjectId()
    await database().auth_group.insert_one({"_id": group, "name": "Researchers"})
    await database().users_groups.insert_one({"user_id": ObjectId(ann.tokens["user"]["id"]), "group_id": group})
    assert [tool["name"] for tool in (await ann.ok("GET", "/tools"))["items"]] == ["erase", "look_up"]
    assert [tool["name"] for tool in (await bob.ok("GET", "/tools"))["items"]] == ["erase"]
    await database().auth_group.delete_one({"_id": group})


async def test_a_stop_while_a_tool_works_keeps_what_was_said(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = registry.Registry()
    begun = asyncio.Event()

    @own.tool(timeout_s=60)
    async def endless() -> str:
        """Never comes back."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(registry, "registered", own)
    for name in ("needs_approval", "tools_for"):
        monkeypatch.setattr(registry, name, getattr(own, name))
    model.script = ["Let me see.", ToolCall("e", "endless", "{}"), CALLED]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi", tools=["endless"])
    await begun.wait()
    stopped = await ann.ok("POST", f"/runs/{run['id']}/stop")
    assert stopped["status"] == "stopped"
    answer = (await ann.messages(conversation))[-1]
    assert [part["type"] for part in answer["parts"]] == ["text", "dynamic-tool"]
    assert answer["parts"][1]["state"] == "input-available"
    assert answer["usage"]["inputTokens"] == 10
    assert work.at_work(ObjectId(run["id"])) is None


async def test_an_answer_by_a_schema_is_asked_for_as_one(ann: Person, model: LanguageModel) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    options = {"output_schema": schema, "thinking": False}
    await ann.at_rest((await ann.ask(await ann.conversation(), "Hi", options=options))["id"])
    assert model.provider.requests[-1].options.json_schema == schema
    assert model.provider.requests[-1].options.thinking is False
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"not": deep}
    for wrong in ({"description": "x" * 16_000}, {"maximum": 10**30}, deep, {"a\0": 1}):
        problem = await ann.ask(await ann.conversation(), "Hi", 422, options={"output_schema": wrong})
        assert problem["code"] == "invalid_input"


@pytest.mark.parametrize("wrote", [False, True], ids=["while a tool works", "in the second step"])
async def test_a_worker_lost_between_steps_is_charged_for_what_was_asked_alone(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, wrote: bool
) -> None:
    own, begun, goes_on = registry.Registry(), asyncio.Event(), asyncio.Event()

    @own.tool(timeout_s=60)
    async def slow() -> str:
        """Comes back when it may."""
        begun.set()
        await goes_on.wait()
        return "done"

    monkeypatch.setattr(registry, "registered", own)
    for name in ("needs_approval", "tools_for"):
        monkeypatch.setattr(registry, name, getattr(own, name))
    model.steps = [["Let me see. " * 50, ToolCall("e", "slow", "{}"), CALLED], ["Short.", asyncio.Event()]]
    run = await ann.ask(await ann.conversation(), "Hi", tools=["slow"])
    await begun.wait()
    answering = work.at_work(ObjectId(run["id"]))
    assert answering is not None
    if wrote:
        goes_on.set()
        await model.provider.until(2)
        async with ann.events(f"/runs/{run['id']}/stream") as events:
            async for _, chunk in events:
                if chunk.get("delta") == "Short.":
                    break
        kept = await database().messages.find_one({"_id": answering.run.message_id})
        assert kept is not None
        assert kept["calls"] == 1  # at once, when the step began
    await answering._keep_progress()
    await database().runs.update_one({"_id": answering.run.id}, {"$set": {"lease_expires_at": now() - timedelta(1)}})
    await Reaper(work.journal(), {}).reap()
    await all_settled()
    lines = await database().usage.find({"run_id": answering.run.id}, sort=[("step", 1)]).to_list()
    told = [(line["step"], line["outcome"], line["output_tokens"]) for line in lines]
    assert told == [(0, "complete", 5), *([(1, "lost", estimated_tokens("Short."))] if wrote else [])]
    await answering.interrupt()
