"""Answers in steps: which tools are called, what the language model is told, and when it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from inference import retries, steps
from inference.catalog import offering
from inference.errors import ModelFailed
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step
from inference.steps import MOST_CALLS_A_STEP, MOST_STEPS, Decision, PausedStep, answer_in_steps, go_on
from inference.tools import registry
from inference.tools.base import Caller
from inference.types import (
    ApprovalRequest,
    Event,
    Finished,
    FinishReason,
    ModelChanged,
    NextStep,
    PromptMessage,
    PromptRequest,
    TextDelta,
    Tool,
    ToolCall,
    ToolOutput,
    Usage,
)
from tests.inference.rigs import collected, text_of

ANN = Caller("65f0c0ffee0123456789abcd")
CALLS = Finished(FinishReason.TOOL_CALLS, Usage(1, 1, reported=True))
STOP = Finished(FinishReason.STOP, Usage(1, 1, reported=True))
DOUBLE = ToolCall("a", "double", '{"number": 21}')


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    own = registry.Registry()

    @own.tool(timeout_s=1)
    async def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    @own.tool(timeout_s=1)
    async def endless() -> str:
        """Never comes back."""
        await asyncio.Event().wait()
        return ""

    @own.tool(timeout_s=1)
    async def long(characters: int) -> str:
        """Says much."""
        return "x1 " * (characters // 3)

    @own.tool(timeout_s=1, needs_approval=True)
    async def delete() -> str:
        """Must be agreed to."""
        return "deleted"

    monkeypatch.setattr(registry, "registered", own)
    for name in ("needs_approval", "tools_for"):
        monkeypatch.setattr(registry, name, getattr(own, name))


class Model:
    """A scripted model that plays one script a step, and what it was asked."""

    def __init__(self, stack: ExitStack, name: str = "one", **fields: Any) -> None:
        self.scripts: list[list[Step]] = []
        self.server = Scripted(lambda _: self.scripts.pop(0), name=name)
        window = fields.pop("context_window", 8192)
        self.offered = OfferedModel(f"{name}/it", "it", name, default=False, context_window=window, **fields)
        stack.enter_context(offering(self.offered, self.server))

    async def answers(self, *scripts: list[Step]) -> list[Event]:
        self.scripts = list(scripts)
        events, error = await collected(answer_in_steps(self.offered, request(), caller=ANN))
        assert error is None, error
        return events

    @property
    def asked(self) -> list[PromptRequest]:
        return self.server.requests


def request() -> PromptRequest:
    tools = tuple(Tool(name, "It.", {"type": "object"}) for name in ("double", "endless", "long", "delete"))
    return PromptRequest("", (PromptMessage("user", "Twice 21?"),), tools=tools)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def model(stack: ExitStack) -> Model:
    return Model(stack)


async def test_a_call_is_made_and_the_model_is_asked_again_with_what_it_said(model: Model) -> None:
    events = await model.answers(["Let me see. ", DOUBLE, CALLS], ["It is 42.", STOP])
    assert events == [
        TextDelta("Let me see. "),
        DOUBLE,
        ToolOutput("a", "double", "42"),
        NextStep(CALLS.usage),
        TextDelta("It is 42."),
        STOP,
    ]
    assert model.asked[1].messages == (
        PromptMessage("user", "Twice 21?"),
        PromptMessage("assistant", "Let me see. ", tool_calls=(DOUBLE,)),
        PromptMessage("tool", "42", tool_call_id="a", tool_name="double"),
    )
    assert [tool.name for tool in model.asked[1].tools] == ["double", "endless", "long", "delete"]


async def test_without_a_call_it_is_an_answer_like_others(model: Model) -> None:
    assert await model.answers(["Hello", STOP]) == [TextDelta("Hello"), STOP]


async def test_what_cannot_be_called_is_said_to_the_model(model: Model) -> None:
    wrong = [
        ToolCall("1", "unheard_of", "{}"),
        ToolCall("2", "double", "{"),
        ToolCall("3", "double", '{"number": "many"}'),
    ]
    events = await model.answers([*wrong, CALLS], ["Sorry.", STOP])
    outputs = [event for event in events if isinstance(event, ToolOutput)]
    assert [output.call_id for output in outputs] == ["1", "2", "3"]
    assert all(output.is_error for output in outputs)
    assert text_of(events) == "Sorry."


DELETE = ToolCall("b", "delete", "{}")
WAITED = PausedStep(
    "Let me see. ", (DOUBLE, DELETE), (ToolOutput("a", "double", "42"),), {"b": Decision(approved=True)}
)


async def test_a_call_that_must_be_agreed_to_ends_the_answer_behind_the_others(model: Model) -> None:
    events = await model.answers(["Let me see. ", DELETE, DOUBLE, CALLS])
    waits = Finished(FinishReason.TOOL_CALLS, CALLS.usage)
    assert events[3:] == [ToolOutput("a", "double", "42"), ApprovalRequest("b"), waits]
    # A server may end its calls with a mere stop: the reader is told that it waits all the same.
    assert (await model.answers([DELETE, STOP]))[1:] == [ApprovalRequest("b"), replace(STOP, reason=waits.reason)]


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (Decision(approved=True), ToolOutput("b", "delete", "deleted")),
        (
            Decision(approved=False),
            ToolOutput("b", "delete", "The user did not agree to this call.", is_denied=True),
        ),
    ],
    ids=["agreed", "denied"],
)
async def test_it_goes_on_as_the_user_decided(model: Model, decision: Decision, told: ToolOutput) -> None:
    model.scripts = [["Done. ", DOUBLE, CALLS], ["Really.", STOP]]
    paused = WAITED._replace(decisions={"b": decision})
    events, error = await collected(go_on(model.offered, request(), paused, caller=ANN))
    assert error is None
    assert events[:3] == [told, NextStep(), TextDelta("Done. ")]
    assert text_of(events) == "Done. Really."
    assert model.asked[0].messages == (
        *request().messages,
        PromptMessage("assistant", "Let me see. ", tool_calls=(DOUBLE, DELETE)),
        PromptMessage("tool", "42", tool_call_id="a", tool_name="double"),
        PromptMessage("tool", told.text, tool_call_id="b", tool_name="delete"),
    )
    # What is called anew does not share a name with what was called before.
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert call.id not in ("a", "b")


async def test_what_a_tool_says_when_it_was_agreed_to_leaves_room_too(stack: ExitStack) -> None:
    small = Model(stack, "small", context_window=400)
    small.scripts = [["Much.", STOP]]
    long = ToolCall("c", "long", '{"characters": 3000}')
    outputs = (ToolOutput("a", "double", "x " * 200),)
    paused = PausedStep("", (DOUBLE, long), outputs, {"c": Decision(approved=True)})
    events, _ = await collected(go_on(small.offered, request(), paused, caller=ANN))
    assert events[0].text.endswith("did not fit.)")  # type: ignore[union-attr]
    assert len(events[0].text) < 300  # type: ignore[union-attr]


async def test_a_tool_that_was_not_offered_is_not_called(model: Model) -> None:
    model.scripts = [[DOUBLE, CALLS], ["Sorry.", STOP]]
    asked = replace(request(), tools=request().tools[1:])
    events, _ = await collected(answer_in_steps(model.offered, asked, caller=ANN))
    [output] = [event for event in events if isinstance(event, ToolOutput)]
    assert output.is_error
    assert output.text.startswith("There is no tool named double")


async def test_calls_of_a_step_are_made_at_once_and_no_more_than_a_bound(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = asyncio.Barrier(MOST_CALLS_A_STEP)
    original = steps.toolbox.call

    async def call(*args: Any, **options: Any) -> Any:
        await together.wait()  # only if all of them come
        return await original(*args, **options)

    monkeypatch.setattr(steps.toolbox, "call", call)
    calls = [ToolCall(str(number), "double", f'{{"number": {number}}}') for number in range(MOST_CALLS_A_STEP + 2)]
    events = await model.answers([*calls, CALLS], ["Done.", STOP])
    outputs = [event for event in events if isinstance(event, ToolOutput)]
    assert [output.text for output in outputs[:-2]] == [str(2 * number) for number in range(MOST_CALLS_A_STEP)]
    assert [output.is_error for output in outputs[-2:]] == [True, True]


async def test_a_model_that_calls_for_ever_must_answer_in_the_last_step(model: Model) -> None:
    events = await model.answers(*[[DOUBLE, CALLS]] * MOST_STEPS)
    assert len(model.asked) == MOST_STEPS
    assert [bool(asked.tools) for asked in model.asked] == [True] * (MOST_STEPS - 1) + [False]
    assert events[-1] == CALLS
    assert sum(isinstance(event, ToolOutput) for event in events) == MOST_STEPS - 1


@pytest.mark.parametrize("id_", ["", "same"])
async def test_every_call_has_a_name_of_its_own(model: Model, id_: str) -> None:
    call = ToolCall(id_, "double", '{"number": 1}')
    events = await model.answers([call, call, CALLS], [call, CALLS], ["Done", STOP])
    calls = [event.id for event in events if isinstance(event, ToolCall)]
    assert len(set(calls)) == 3
    assert [event.call_id for event in events if isinstance(event, ToolOutput)] == calls
    last = model.asked[2].messages
    assert [call.id for message in last for call in message.tool_calls] == calls
    assert [message.tool_call_id for message in last if message.role == "tool"] == calls


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
async def test_a_call_that_may_be_cut_short_is_not_made(model: Model, reason: FinishReason) -> None:
    ended = Finished(reason, Usage())
    assert await model.answers([DOUBLE, ended]) == [DOUBLE, ended]


async def test_some_servers_end_a_call_with_a_mere_stop(model: Model) -> None:
    events = await model.answers([DOUBLE, STOP], ["42", STOP])
    assert text_of(events) == "42"


async def test_what_a_tool_says_is_cut_to_leave_room_for_the_answer(stack: ExitStack) -> None:
    model = Model(stack, "small", context_window=1000)
    long = ToolCall("l", "long", '{"characters": 30000}')
    events = await model.answers([long, CALLS], ["Done", STOP])
    [output] = [event for event in events if isinstance(event, ToolOutput)]
    assert len(output.text) < 2000
    assert output.text.endswith("(The rest of 30,000 characters did not fit.)")
    assert model.asked[1].messages[-1].content == output.text


async def test_one_who_leaves_while_a_tool_works_ends_it(model: Model) -> None:
    model.scripts = [[ToolCall("e", "endless", "{}"), CALLS]]
    async with aclosing(answer_in_steps(model.offered, request(), caller=ANN)) as events:
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert len(model.asked) == 1


async def test_a_tool_that_takes_too_long_is_given_up_and_the_answer_goes_on(model: Model) -> None:
    events = await model.answers([ToolCall("e", "endless", "{}"), CALLS], ["Without it, then.", STOP])
    [output] = [event for event in events if isinstance(event, ToolOutput)]
    assert output.is_error
    assert "longer than 1 s" in output.text
    assert text_of(events) == "Without it, then."


async def test_a_model_that_stepped_in_goes_on(stack: ExitStack) -> None:
    second = Model(stack, "second")
    first = Model(stack, "first", fallbacks=("second/it",))
    second.scripts = [[DOUBLE, CALLS], ["42", STOP]]
    events = await first.answers(["So ", ModelFailed("it")])
    changed = [event for event in events if isinstance(event, ModelChanged)]
    assert [event.model_id for event in changed] == ["second/it"]
    assert (len(first.asked), len(second.asked)) == (1, 2)
    # What the broken one had said is not told to the other.
    assert second.asked[1].messages[1].content == ""


async def test_a_failure_in_a_later_step_ends_the_answer_with_it(model: Model) -> None:
    model.scripts = [[DOUBLE, CALLS], ["Well ", ModelFailed("it")]]
    events, error = await collected(answer_in_steps(model.offered, request(), caller=ANN))
    assert isinstance(error, ModelFailed)
    assert text_of(events) == "Well "
