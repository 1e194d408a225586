"""Replays and assembly: what was saved at any position, and the log behind it, make the whole answer."""

from datetime import UTC, datetime

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from chat import chunks
from chat.answer import Answer
from chat.assembly import assembled
from chat.chunks import Chunk
from chat.replay import replay_of, replay_through
from chat.types import Message, MessageStatus, Role
from inference.types import Event, ModelChanged, NextStep, ReasoningDelta, TextDelta, ToolCall, ToolOutput
from tests.chat.test_answer import EVENTS
from tests.chat.ui_stream import read

MESSAGE = Message(
    id=ObjectId(),
    conversation_id=ObjectId(),
    user_id=ObjectId(),
    parent_id=None,
    role=Role.ASSISTANT,
    parts=[],
    text="",
    status=MessageStatus.STREAMING,
    run_id=ObjectId(),
    model="m",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def written(events: list[Event], saved_after: int) -> tuple[list[Chunk], Message, Message]:
    """The log of an answer, the message as it was saved after some events, and as it is at its end."""
    answer = Answer()
    answer.add(chunks.start(MESSAGE.id, {}))
    answer.add(chunks.data("title", {"title": "t"}, transient=True))
    answer.add(chunks.START_STEP)
    log = answer.take()
    saved = None
    for number, event in enumerate(events):
        if number == saved_after:
            saved = changed(answer, log)
        answer.feed(event)
        log += answer.take()
    saved = saved or changed(answer, log)
    answer.close()
    answer.add(chunks.FINISH_STEP)
    answer.add(chunks.finish("stop", {"usage": {"outputTokens": 3}}))
    log += answer.take()
    return log, saved, changed(answer, log)


def changed(answer: Answer, log: list[Chunk]) -> Message:
    """The message with what the answer says by now."""
    from msgspec.structs import replace

    return replace(MESSAGE, parts=answer.parts(), position=len(log))


@given(EVENTS, st.integers(0, 30))
def test_what_was_saved_and_the_log_behind_it_make_the_parts_of_the_whole(
    events: list[Event], saved_after: int
) -> None:
    log, saved, whole = written(events, saved_after)
    said = assembled(saved.parts, log[saved.position :])
    assert said.parts == whole.parts
    assert said.ending is not None
    assert said.ending.status is MessageStatus.COMPLETE
    assert said.ending.usage == {"outputTokens": 3}
    cut = assembled(saved.parts, log[saved.position : -2])
    assert (cut.parts, cut.open_part, cut.ending) == (whole.parts, None, None)


@given(EVENTS, st.integers(0, 30))
def test_a_replay_and_the_log_behind_it_are_one_stream(events: list[Event], saved_after: int) -> None:
    log, saved, whole = written(events, saved_after)
    replay = replay_through(saved)
    assert len(replay) == saved.position
    stream = read([*replay, *log[saved.position :]])
    assert stream.text == read(log).text
    assert stream.text == "".join(part["text"] for part in whole.parts if part["type"] == "text")


def test_every_kind_of_part_is_assembled_and_replayed() -> None:
    events: list[Event] = [
        ReasoningDelta("hm"),
        TextDelta("one "),
        ToolCall("1", "time", '{"at": 1}'),
        ToolOutput("1", "time", '{"time": "12:00"}'),
        ToolCall("2", "time", "{}"),
        ToolOutput("2", "time", "There is no such zone.", is_error=True),
        NextStep(),
        TextDelta("two"),
        ModelChanged("b/two", "two", "one", restarted=False),
        TextDelta(" three"),
    ]
    said = ["dynamic-tool", "step-start", "text", "data-notice", "text"]
    for saved_after in range(len(events) + 1):
        log, saved, whole = written(events, saved_after)
        assert [part["type"] for part in whole.parts] == ["reasoning", "text", "dynamic-tool", *said]
        assert assembled(saved.parts, log[saved.position :]).parts == whole.parts
        assert assembled([], log).parts == whole.parts  # nothing was saved before its worker was lost
        assert read([*replay_through(saved), *log[saved.position :]]).text == "one two three"
    assert read(replay_of(whole)).text == "one two three"


def test_a_step_that_begins_anew_leaves_those_before_it() -> None:
    events: list[Event] = [
        TextDelta("Let me see."),
        ToolCall("1", "time", "{}"),
        ToolOutput("1", "time", "noon"),
        NextStep(),
        TextDelta("It i"),
        ModelChanged("b/two", "two", "one", restarted=True),
        TextDelta("Noon."),
    ]
    for saved_after in range(len(events) + 1):
        log, saved, whole = written(events, saved_after)
        assert [part["type"] for part in whole.parts] == ["text", "dynamic-tool", "step-start", "data-notice", "text"]
        assert assembled(saved.parts, log[saved.position :]).parts == whole.parts
        assert read([*replay_through(saved), *log[saved.position :]]).text == "Let me see.Noon."
