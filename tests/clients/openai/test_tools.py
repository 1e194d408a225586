"""The official `openai` package offers tools, runs them itself, and sends their results."""

import json
from typing import Any

import msgspec
import openai
import pytest
from openai import AsyncOpenAI

from inference.catalog import offering
from inference.errors import ModelFailed
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, saying
from inference.types import Finished, FinishReason, PromptMessage, Tool, ToolCall, Usage
from tests.chat.conftest import SCRIPTED, LanguageModel

HI: Any = [{"role": "user", "content": "What is the weather in Rome, and what time is it?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "description": "The weather now.", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "clock"}},
]
ASKS = [
    "Let me look.",
    ToolCall("", "weather", '{"city": "Rome"}'),
    ToolCall("two", "clock", "{}"),
    Finished(FinishReason.TOOL_CALLS, Usage(9, 7, reported=True, cached_input_tokens=4, reasoning_tokens=2)),
]


async def test_a_whole_turn_with_tools(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = list(ASKS)
    answer = await client.chat.completions.create(model=SCRIPTED.id, messages=HI, tools=TOOLS, parallel_tool_calls=True)
    asked = model.provider.requests[0]
    assert asked.tools == (
        Tool("weather", "The weather now.", SCHEMA),
        Tool("clock", "", {"type": "object", "properties": {}}),
    )
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me look."
    calls = choice.message.tool_calls or []
    assert [(call.type, call.function.name, call.function.arguments) for call in calls if call.type == "function"] == [
        ("function", "weather", '{"city": "Rome"}'),
        ("function", "clock", "{}"),
    ]
    assert calls[0].id.startswith("call_")
    assert calls[1].id == "two"
    # As its documentation does it: the message goes back as it came, with the results behind it.
    model.script = saying("Sunny, at noon.")
    turns = [*HI, choice.message.model_dump(exclude_none=True)]
    turns += [
        {"role": "tool", "tool_call_id": call.id, "content": said} for call, said in zip(calls, "ab", strict=True)
    ]
    answer = await client.chat.completions.create(model=SCRIPTED.id, messages=turns, tools=TOOLS)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Sunny, at noon.", "stop")
    made = ToolCall(calls[0].id, "weather", '{"city": "Rome"}')
    assert model.provider.requests[1].messages[1:] == (
        PromptMessage("assistant", "Let me look.", tool_calls=(made, ToolCall("two", "clock", "{}"))),
        PromptMessage("tool", "a", tool_call_id=made.id, tool_name="weather"),
        PromptMessage("tool", "b", tool_call_id="two", tool_name="clock"),
    )


async def test_a_call_without_words_has_no_content(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = list(ASKS[1:])
    answer = await client.chat.completions.create(model=SCRIPTED.id, messages=HI, tools=TOOLS)
    assert answer.choices[0].message.content is None


async def test_calls_are_streamed_each_with_its_place(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = list(ASKS)
    stream = await client.chat.completions.create(model=SCRIPTED.id, messages=HI, tools=TOOLS, stream=True)
    chunks = [chunk async for chunk in stream]
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    told = [(piece.index, piece.type, piece.function and piece.function.name) for piece in pieces]
    assert told == [(0, "function", "weather"), (1, "function", "clock")]
    assert all(piece.id for piece in pieces)
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "tool_calls"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Let me look."


async def test_the_clients_own_accumulator_builds_the_calls(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = list(ASKS)
    asked: Any = {"model": SCRIPTED.id, "messages": HI, "tools": TOOLS, "stream_options": {"include_usage": True}}
    async with client.chat.completions.stream(**asked) as stream:
        done = [event async for event in stream if event.type == "tool_calls.function.arguments.done"]
        answer = await stream.get_final_completion()
    assert [(event.index, event.name, event.arguments) for event in done] == [
        (0, "weather", '{"city": "Rome"}'),
        (1, "clock", "{}"),
    ]
    calls = answer.choices[0].message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("weather", {"city": "Rome"}),
        ("clock", {}),
    ]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2


async def test_without_a_choice_no_tool_is_offered(client: AsyncOpenAI, model: LanguageModel) -> None:
    answer = await client.chat.completions.create(model=SCRIPTED.id, messages=HI, tools=TOOLS, tool_choice="none")
    assert answer.choices[0].message.tool_calls is None
    assert model.provider.requests[0].tools == ()


async def test_a_call_cannot_be_forced(client: AsyncOpenAI, model: LanguageModel) -> None:
    named: Any = {"type": "function", "function": {"name": "clock"}}
    for choice in ("required", named):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model=SCRIPTED.id, messages=HI, tools=TOOLS, tool_choice=choice)
        assert (refused.value.param, refused.value.code) == ("tool_choice", "unsupported_parameter")
    assert model.provider.requests == []


@pytest.mark.parametrize(
    ("capabilities", "calls"),
    [((), True), (("vision",), True), (("completion", "tools"), True), (("completion",), False)],
)
async def test_a_model_that_is_known_not_to_call_tools_is_not_asked(
    client: AsyncOpenAI, capabilities: tuple[str, ...], calls: bool
) -> None:
    offered = msgspec.structs.replace(SCRIPTED, id="x/it", name="it", capabilities=capabilities)
    with offering(offered, Scripted(saying("Yes"))):
        if calls:
            answer = await client.chat.completions.create(model="x/it", messages=HI, tools=TOOLS)
            assert answer.choices[0].message.content == "Yes"
            return
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="x/it", messages=HI, tools=TOOLS)
        assert (refused.value.param, refused.value.code) == ("tools", "model_cannot_call_tools")
        assert "it cannot call tools" in refused.value.message
        # A tool that it may not call does no harm.
        assert await client.chat.completions.create(model="x/it", messages=HI, tools=TOOLS, tool_choice="none")


async def test_no_model_steps_in_that_cannot_call_the_tools(client: AsyncOpenAI) -> None:
    first = OfferedModel("x/first", "first", "x", default=False, context_window=8192, fallbacks=("x/mute", "x/able"))
    mute = msgspec.structs.replace(first, id="x/mute", name="mute", fallbacks=(), capabilities=("completion",))
    able = msgspec.structs.replace(mute, id="x/able", name="able", capabilities=("completion", "tools"))
    away, words = Scripted([ModelFailed("first")]), Scripted(saying("No"))
    with offering(first, away), offering(mute, words), offering(able, Scripted(saying("Yes"))):
        answer = await client.chat.completions.create(model="x/first", messages=HI, tools=TOOLS)
    assert answer.choices[0].message.content == "Yes"
    assert words.requests == []
