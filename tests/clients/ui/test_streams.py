"""Every kind of stream that we can send, through the parsers of the strictest and the newest versions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from chat import chunks, sse
from chat.answer import Answer
from chat.journal import Entries
from chat.profiles import Profile
from chat.replay import replay_of
from chat.types import Message, MessageStatus, Role
from eloquent.foundation.clock import now
from eloquent.foundation.ids import id_after
from inference.errors import ModelBusy
from inference.providers.scripted import saying
from inference.types import (
    ApprovalRequest,
    Event,
    Finished,
    FinishReason,
    NextStep,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolCall,
    ToolOutput,
    Usage,
)
from tests.clients.ui.conftest import LanguageModel
from tests.clients.ui.node import Frontend, running_frontend
from tests.people import Person

pytestmark = pytest.mark.clients

# The first of each strict line, the newest of 6 and 7; each is sent what its profile says.
PARSERS = {"5": Profile.FIVE, "6-first": Profile.SIX, "6": Profile.SIX, "7": Profile.SEVEN}


@pytest_asyncio.fixture(scope="module", params=PARSERS)
async def parser(request: pytest.FixtureRequest) -> AsyncIterator[Frontend]:
    """A frontend that is given recorded streams."""
    async with running_frontend(request.param) as running:
        yield running


class Parsed:
    """Shows a frontend a recorded stream and says what it made of it."""

    def __init__(self, parser: Frontend) -> None:
        self._parser = parser
        self._count = 0

    async def __call__(self, stream: bytes) -> dict[str, Any]:
        self._count += 1
        handle = f"recorded {self._count}"
        await self._parser.do("open", handle=handle, replay=stream.decode())
        await self._parser.do("send", handle=handle, text="Hi")
        shown: dict[str, Any] = await self._parser.do("until_rest", handle=handle)
        return shown


@pytest.fixture
def parsed(parser: Frontend) -> Parsed:
    return Parsed(parser)


def profile_of(parser: Frontend) -> Profile:
    return PARSERS[parser.version]


async def as_sent(ready: list[chunks.Chunk], profile: Profile) -> bytes:
    """The chunks as they go over the wire."""

    async def entries() -> AsyncIterator[Entries]:
        yield Entries(0, ready)
        yield Entries(len(ready), ())

    return b"".join([piece async for piece in sse.events(entries(), profile)])


def shown(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts as they are kept: without what a client adds for itself."""
    wanted = ("type", "text", "toolCallId", "toolName", "state", "input", "output", "errorText", "data")
    parts = [part for part in message["parts"] if part["type"] != "step-start"]
    return [
        {name: part[name] for name in wanted if name in part and (name != "state" or "toolCallId" in part)}
        for part in parts
    ]


def known_to(parser: Frontend, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts as this version knows them: before 6, a call that waits is one that is being made."""
    if profile_of(parser) > Profile.FIVE:
        return parts
    return [{**part, "state": "input-available"} if "requested" in part.get("state", "") else part for part in parts]


def steps_of(parts: list[dict[str, Any]]) -> int:
    """How many steps the parts mark."""
    return sum(part["type"] == "step-start" for part in parts)


THINKS: list[Event | str] = [ReasoningDelta("Hm, "), ReasoningDelta("tea."), TextDelta("Three"), TextDelta(" minutes.")]
CALLS: list[Event | str] = [
    TextDelta("Let me see."),
    ToolCall("call-1", "kettle", '{"cups": 2, "type": "finish"}'),
    ToolCall("call-2", "clock", '{"broken": '),
    ReasoningDelta("So."),
    TextDelta("Ready."),
]
STEPS: list[Event | str] = [
    TextDelta("Let me see."),
    ToolCall("call-1", "kettle", '{"cups": 2}'),
    ToolCall("call-2", "clock", "{}"),
    ToolOutput("call-1", "kettle", '{"hot": true}'),
    ToolOutput("call-2", "clock", "There is no clock.", is_error=True),
    NextStep(),
    ReasoningDelta("So."),
    TextDelta("Ready."),
]
ASKS: list[Event | str] = [
    TextDelta("Let me see."),
    ToolCall("call-1", "kettle", '{"cups": 2}'),
    ToolCall("call-2", "clock", "{}"),
    ToolOutput("call-1", "kettle", '{"hot": true}'),
    ApprovalRequest("call-2"),
]
WAITS: list[Event | str] = [Status("queued", 0.1), Status("loading", 0.5), TextDelta("Here.")]
SCRIPTS = {
    "plain": saying("Hello", " there"),
    "empty": saying(),
    "reasoning": [*THINKS, Finished(FinishReason.STOP, Usage(1, 2, reported=True))],
    "tools": [*CALLS, Finished(FinishReason.TOOL_CALLS, Usage())],
    "steps": [*STEPS, Finished(FinishReason.STOP, Usage(1, 2, reported=True))],
    "asking": [*ASKS, Finished(FinishReason.TOOL_CALLS, Usage(1, 2, reported=True))],
    "waiting": [*WAITS, Finished(FinishReason.LENGTH, Usage(1, None))],
    **{reason.value: ["x", Finished(reason, Usage())] for reason in FinishReason},
}
FAILURES = {
    "before the first token": [ModelBusy("scripted")],
    "after it": ["Half", ModelBusy("scripted")],
    "while it thinks": [ReasoningDelta("Hm"), ModelBusy("scripted")],
    "a bug": [RuntimeError("boom")],
    "cut off": ["Half"],
}


async def posted(person: Person, parser: Frontend, chat_id: str = "c1") -> bytes:
    """The bytes of an answer."""
    body = {"id": chat_id, "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}
    headers = {"X-AI-SDK-Version": parser.version.partition("-")[0]}
    answer = await person.http.post("/ui/chat", json=body, headers=headers)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("name", SCRIPTS)
async def test_every_kind_of_answer_is_read_by_every_version(
    ann: Person, model: LanguageModel, parser: Frontend, parsed: Parsed, name: str
) -> None:
    model.script = SCRIPTS[name]
    chat = await parsed(await posted(ann, parser))
    assert (chat["status"], chat["told"]["errors"]) == ("ready", [])
    kept = (await ann.ok("GET", "/ui/chat/c1"))["messages"][1]
    # A message without parts is given an empty one when it is read from the database.
    assert [part for part in shown(chat["messages"][1]) if part.get("text") != ""] == [
        part for part in known_to(parser, shown(kept)) if part.get("text") != ""
    ]
    assert chat["messages"][1]["id"] == kept["id"]
    assert (await parser.do("validate", messages=[kept]) if profile_of(parser) > Profile.FIVE else 1) == 1


@pytest.mark.parametrize("name", FAILURES)
async def test_every_failure_is_told_in_one_sentence(
    ann: Person, model: LanguageModel, parser: Frontend, parsed: Parsed, name: str
) -> None:
    model.script = FAILURES[name]
    chat = await parsed(await posted(ann, parser))
    kept = (await ann.ok("GET", "/ui/chat/c1"))["messages"][1]
    assert (chat["status"], chat["error"]) == ("error", kept["metadata"]["error"]["detail"])
    assert chat["told"]["errors"] == [chat["error"]]


@pytest.mark.parametrize("begun", [[], ["Some"], [ReasoningDelta("Hm")]], ids=["nothing", "text", "reasoning"])
async def test_a_stopped_answer_is_no_error(
    ann: Person, model: LanguageModel, parser: Frontend, parsed: Parsed, begun: list[Event | str]
) -> None:
    model.script = [*begun, asyncio.Event()]
    posting = asyncio.create_task(posted(ann, parser))
    await model.provider.until(1)
    async with ann.events("/ui/chat/c1/stream") as events:
        while begun and not (await anext(events))[1]["type"].endswith("-delta"):
            pass
    await ann.ok("POST", "/ui/chat/c1/stop")
    chat = await parsed(await posting)
    assert (chat["status"], chat["told"]["errors"]) == ("ready", [])
    assert [part["text"] for part in shown(chat["messages"][1])] == [
        event if isinstance(event, str) else event.text for event in begun
    ]


@pytest.mark.parametrize("status", [status for status in MessageStatus if status is not MessageStatus.STREAMING])
@pytest.mark.parametrize(
    "events", [THINKS, CALLS, STEPS, ASKS, []], ids=["reasoning", "tools", "steps", "asking", "nothing"]
)
async def test_a_replay_of_a_saved_answer_is_read_as_the_answer_was(
    parser: Frontend, parsed: Parsed, status: MessageStatus, events: list[Event]
) -> None:
    answer = Answer()
    for event in events:
        answer.feed(event)
    answer.close()
    question_id = id_after(None)
    message = Message(
        id=id_after(question_id),
        conversation_id=id_after(None),
        user_id=id_after(None),
        parent_id=question_id,
        role=Role.ASSISTANT,
        parts=answer.parts(),
        text="",
        status=status,
        run_id=id_after(None),
        model="scripted",
        error={"code": "x", "detail": "It broke."} if status is MessageStatus.FAILED else None,
        created_at=now(),
    )
    chat = await parsed(await as_sent(replay_of(message), profile_of(parser)))
    broken = status in (MessageStatus.FAILED, MessageStatus.INTERRUPTED)
    assert chat["status"] == ("error" if broken else "ready")
    assert shown(chat["messages"][1]) == known_to(parser, shown({"parts": answer.parts()}))
    # A client marks the first step too; what we keep marks those behind it.
    assert steps_of(chat["messages"][1]["parts"]) == 1 + steps_of(answer.parts())
    assert chat["messages"][1]["id"] == str(message.id)


async def test_our_own_data_is_told_and_a_lasting_one_is_kept(parser: Frontend, parsed: Parsed) -> None:
    ready = [
        chunks.start(id_after(None), {"runId": "r"}),
        chunks.data("context", {"used": 1, "limit": 2}, transient=True),
        chunks.data("notice", {"text": "x"}, transient=False),
        chunks.START_STEP,
        chunks.FINISH_STEP,
        chunks.finish("stop", {"usage": {"inputTokens": 1}}),
    ]
    chat = await parsed(await as_sent(ready, profile_of(parser)))
    assert (chat["status"], chat["told"]["errors"]) == ("ready", [])
    assert [part["type"] for part in chat["told"]["data"]] == ["data-context", "data-notice"]
    assert shown(chat["messages"][1]) == [{"type": "data-notice", "data": {"text": "x"}}]
    assert chat["messages"][1]["metadata"] == {"runId": "r", "usage": {"inputTokens": 1}}


async def test_the_parsers_of_this_test_do_refuse(parser: Frontend, parsed: Parsed) -> None:
    begun = [chunks.start(id_after(None), {}), chunks.START_STEP]
    unknown_type = await parsed(await as_sent([*begun, b'{"type":"surprise"}'], profile_of(parser)))
    assert unknown_type["status"] == "error"
    null_for_absent = await parsed(await as_sent([*begun, b'{"type":"text-start","id":null}'], profile_of(parser)))
    assert null_for_absent["status"] == "error"
    strict = parser.version in ("5", "6-first")
    unknown_field = await parsed(await as_sent([*begun, b'{"type":"finish-step","own":1}'], profile_of(parser)))
    assert unknown_field["status"] == ("error" if strict else "ready")
    if profile_of(parser) is Profile.FIVE:
        with_a_reason = await parsed(await as_sent([*begun, chunks.finish("stop", {})], Profile.SIX))
        assert with_a_reason["status"] == "error", "this is what profile 5 is for"
