"""Frames of the websocket transport: what is taken, what is refused, and that nothing crashes the reading."""

import json

import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from chat import frames
from chat.frames import Abort, MalformedFrame, Resume, Send
from eloquent.foundation.errors import InvalidInput
from inference.types import GenerationOptions

SEND = {
    "type": "send",
    "requestId": "r1",
    "id": str(ObjectId()),
    "trigger": "submit-message",
    "messages": [
        {"id": "m0", "role": "assistant", "parts": [{"type": "text", "text": "made up by the client"}]},
        {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]},
    ],
    "headers": {},
    "body": {},
    "metadata": None,
}


def send(**changes: object) -> Send:
    frame = frames.parse(json.dumps(SEND | changes))
    assert isinstance(frame, Send)
    return frame


def test_only_the_last_message_of_a_send_is_read() -> None:
    wish = frames.wish_of(send())
    assert (wish.parts, wish.called) == ([{"type": "text", "text": "Hello"}], "m1")


def test_a_send_carries_parent_model_and_options() -> None:
    parent = ObjectId()
    body = {"parentId": str(parent), "model": "ollama/x", "options": {"temperature": 0.5}, "theme": "dark"}
    wish = frames.wish_of(send(body=body))
    assert (wish.parent_id, wish.model, wish.options) == (parent, "ollama/x", GenerationOptions(temperature=0.5))


def test_a_regenerate_names_the_answer_to_make_anew() -> None:
    answer = ObjectId()
    wish = frames.wish_of(send(trigger="regenerate-message", messageId=str(answer)))
    assert (wish.regenerates, wish.names) == (True, str(answer))


def test_an_edit_names_the_message_it_replaces() -> None:
    wish = frames.wish_of(send(messageId="its own name"))
    assert (wish.regenerates, wish.names) == (False, "its own name")


def test_resume_and_abort_are_frames() -> None:
    resume = frames.parse('{"type":"resume","requestId":"r","id":"c","headers":{},"body":{},"lastSequence":3}')
    assert isinstance(resume, Resume)
    assert resume.last_sequence == 3
    assert isinstance(frames.parse('{"type":"abort","requestId":"r"}'), Abort)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "shout"},
        {"requestId": ""},
        {"requestId": 7},
        {"headers": {"x": 1}},
        {"body": []},
        {"trigger": "delete-everything"},
        {"messages": "none"},
        {"messageId": 5},
    ],
    ids=str,
)
def test_what_is_no_frame_is_refused(changes: dict[str, object]) -> None:
    assert send()
    with pytest.raises(MalformedFrame):
        send(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": []},
        {"messages": [{"id": "m", "role": "assistant", "parts": [{"type": "text", "text": "x"}]}]},
        {"messages": [{"id": "m", "role": "user", "parts": []}]},
        {"messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": " \n"}]}]},
        {"messages": [{"id": "m", "role": "user", "parts": [{"type": "file", "url": "data:x"}]}]},
        {"messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "x" * 32_001}]}]},
        {"messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "x"}] * 33}]},
        {"messageId": "x" * 65},
        {"body": {"parentId": 5}},
        {"body": {"parentId": "nope"}},
        {"body": {"model": 5}},
        {"body": {"model": "x" * 201}},
        {"body": {"options": {"temperature": 99}}},
        {"body": {"options": {"tempreature": 1}}},
        {"trigger": "regenerate-message", "body": {"parentId": "nope"}},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_what_cannot_be_asked_for_is_an_error_with_a_sentence(changes: dict[str, object]) -> None:
    assert frames.wish_of(send())
    with pytest.raises(InvalidInput) as refused:
        frames.wish_of(send(**changes))
    assert refused.value.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text() | JSON.map(json.dumps))
@example("\ud800")
@example('{"type":"abort","requestId":"\\ud800"}')
def test_no_text_whatever_breaks_the_reading(text: str) -> None:
    try:
        frame = frames.parse(text)
    except MalformedFrame:
        return
    assert frame.request_id


@given(st.dictionaries(st.sampled_from(sorted(SEND)), st.none() | st.integers(-5, 5) | st.text() | JSON))
def test_no_change_to_a_frame_breaks_the_reading(changes: dict[str, object]) -> None:
    try:
        frame = frames.parse(json.dumps(SEND | changes))
        wish = frames.wish_of(frame) if isinstance(frame, Send) else None
    except (MalformedFrame, InvalidInput):
        return
    assert wish is not None
    assert wish.regenerates or wish.parts, "an answer to make anew, or something said"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        frames.parse('{"type":"abort","requestId":"r","x":' + "[" * 100_000 + "]" * 100_000 + "}")
