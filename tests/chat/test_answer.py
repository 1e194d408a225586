"""An answer's chunks and parts, whatever the events."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from chat import chunks
from chat.answer import Answer
from chat.replay import replay_of
from chat.types import Message, MessageStatus, Role
from inference.types import Event, ModelChanged, NextStep, ReasoningDelta, Status, TextDelta, ToolCall, ToolOutput
from tests.chat.ui_stream import read

TEXT = st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text)
OUTPUTS = st.builds(
    lambda call, text, is_error: [call, ToolOutput(call.id, call.name, text, is_error=is_error)],
    st.builds(ToolCall, st.uuids().map(str), st.just("clock"), st.just("{}")),
    st.sampled_from(["12:00", '{"time": "12:00"}', "", "{bro"]),
    st.booleans(),
)
EVENT = st.one_of(
    st.builds(TextDelta, TEXT),
    st.builds(ReasoningDelta, TEXT),
    st.builds(Status, st.sampled_from(["loading", "queued"]), st.floats(0, 100)),
    st.builds(ModelChanged, st.just("b/two"), st.just("two"), st.just("one"), st.booleans()),
    st.builds(ToolCall, st.uuids().map(str), st.just("clock"), st.sampled_from(["{}", '{"zone": "UTC"}', "{bro"])),
    st.just(NextStep()),
)
EVENTS = st.lists(EVENT.map(lambda event: [event]) | OUTPUTS).map(
    lambda lists: [each for some in lists for each in some]
)


def answered(events: list[Event], taken_after: set[int]) -> tuple[Answer, list[bytes]]:
    """The answer fed with the events, its chunks taken after some of them and at the end."""
    answer = Answer()
    answer.add(chunks.start(ObjectId(), {}))
    taken: list[bytes] = []
    for number, event in enumerate(events):
        answer.feed(event)
        if number in taken_after:
            taken += answer.take()
    answer.close()
    answer.add(chunks.finish("stop", {}))
    return answer, taken + answer.take()


def valid(events: list[Event]) -> list[Event]:
    """What is a part of the answer: not what a step had said when another language model began it anew."""
    valid: list[Event] = []
    for event in events:
        if isinstance(event, ModelChanged) and event.restarted:
            steps = [number for number, each in enumerate(valid) if isinstance(each, NextStep)]
            del valid[steps[-1] + 1 if steps else 0 :]
        valid.append(event)
    return valid


@given(EVENTS, st.sets(st.integers(0, 20)))
def test_a_strict_client_reads_what_was_said_however_the_chunks_are_taken(
    events: list[Event], taken_after: set[int]
) -> None:
    answer, taken = answered(events, taken_after)
    stream = read(taken)
    said = "".join(event.text for event in valid(events) if isinstance(event, TextDelta))
    assert stream.text == said
    assert answer.text().replace("\n\n", "") == said.replace("\n\n", "")
    assert [part["type"] for part in stream.parts if part["type"] in ("text", "reasoning")] == [
        part["type"] for part in answer.parts() if part["type"] in ("text", "reasoning")
    ]
    assert len(stream.data) == sum(isinstance(event, Status | ModelChanged) for event in events)


@given(EVENTS)
def test_a_saved_answer_replays_as_the_same_message(events: list[Event]) -> None:
    answer, taken = answered(events, set())
    saved = Message(
        id=ObjectId(),
        conversation_id=ObjectId(),
        user_id=ObjectId(),
        parent_id=None,
        role=Role.ASSISTANT,
        parts=answer.parts(),
        text=answer.text(),
        status=MessageStatus.COMPLETE,
        run_id=ObjectId(),
        created_at=datetime.now(UTC),
    )
    replayed = read(replay_of(saved))
    assert replayed.parts == read(taken).parts
    assert replayed.message_id == str(saved.id)


def test_a_stopped_or_failed_answer_says_so_in_its_replay() -> None:
    saved = Message(
        id=ObjectId(),
        conversation_id=ObjectId(),
        user_id=ObjectId(),
        parent_id=None,
        role=Role.ASSISTANT,
        parts=[{"type": "text", "text": "half"}],
        text="half",
        status=MessageStatus.FAILED,
        run_id=ObjectId(),
        error={"code": "model_failed", "detail": "The model failed."},
        created_at=datetime.now(UTC),
    )
    assert read(replay_of(saved)).last == {"type": "error", "errorText": "The model failed."}


@pytest.mark.parametrize(
    "wild", [str(2**63), '{"\\u0000": 1}', "[" * 100 + "]" * 100, '{"a": [{"b": 18446744073709551615}]}']
)
def test_arguments_of_a_tool_that_cannot_be_stored_stay_text(wild: str) -> None:
    answer = Answer()
    answer.feed(ToolCall("1", "clock", wild))
    answer.feed(ToolCall("2", "clock", '{"seconds": [9223372036854775807]}'))
    assert [part["input"] for part in answer.parts()] == [wild, {"seconds": [2**63 - 1]}]


def test_text_that_is_ready_together_travels_in_one_chunk() -> None:
    answer = Answer()
    for word in ("one ", "two ", "three"):
        answer.feed(TextDelta(word))
    assert answer.take() == [
        chunks.part_start("text", "text-0"),
        chunks.part_delta("text", "text-0", "one two three"),
    ]
    assert answer.take() == []
