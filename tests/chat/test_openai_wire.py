"""OpenAI's shapes: requests as they are read, answers as they are written."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chat.errors import BadCompletionRequest, Draining, TooManyCompletions
from chat.openai_answers import (
    DONE,
    ChunkWriter,
    completion_out,
    failure,
    finish_reason_out,
    usage_out,
)
from chat.openai_errors import error_body, status_of
from chat.openai_pictures import MOST_PICTURES, PictureLimits
from chat.openai_wire import completion_request
from eloquent.foundation.errors import EloquentError, PayloadTooLarge
from inference.errors import ModelBusy, ModelNotOffered, PromptRejected, PromptTooLong
from inference.types import FinishReason, GenerationOptions, Image, PromptMessage, PromptRequest, Tool, ToolCall, Usage
from tests.pictures import gif, jpeg, png, webp

LIMITS = PictureLimits(most_bytes=3_000, most_pixels=2_000)
HI = [{"role": "user", "content": "Hi"}]


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "Sunny"}


def named(name: str) -> dict[str, Any]:
    """A call of the function."""
    return CALL | {"function": {"name": name, "arguments": "{}"}}


def asking(*calls: dict[str, Any]) -> dict[str, Any]:
    """An assistant's message that asks for them."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def offer(**function: Any) -> dict[str, Any]:
    """A tool."""
    return {"type": "function", "function": {"name": "weather", **function}}


def nested(levels: int) -> dict[str, Any]:
    """A schema of so many objects inside each other."""
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"items": schema}
    return schema


def wanted(schema: Any) -> dict[str, Any]:
    """A `response_format` with the schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def data_url(content: bytes, media_type: str = "image/png") -> str:
    """The bytes as an address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def showing(*urls: str, role: str = "user") -> dict[str, Any]:
    """A message with pictures at these addresses."""
    return {"role": role, "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}


def read(**fields: Any) -> Any:
    return completion_request(json.dumps({"model": "m", "messages": HI, **fields}).encode(), LIMITS)


def refused(body: bytes) -> BadCompletionRequest:
    with pytest.raises(BadCompletionRequest) as caught:
        completion_request(body, LIMITS)
    return caught.value


def test_every_role_and_kind_of_text_is_read() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    asked = read(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": parts},
            {"role": "user", "content": "", "name": "ann"},
            {"role": "assistant", "content": "Yes?", "tool_calls": [], "refusal": None},
            {"role": "user", "content": parts},
        ]
    )
    assert asked.messages == (
        PromptMessage("system", "Be brief."),
        PromptMessage("system", "one\ntwo"),
        PromptMessage("user", ""),
        PromptMessage("assistant", "Yes?"),
        PromptMessage("user", "one\ntwo"),
    )


def test_the_options_are_read() -> None:
    asked = read(
        temperature=0, top_p=0.5, max_tokens=7, seed=-5, stop="\n", stream=True, stream_options={"include_usage": True}
    )
    assert asked.options == GenerationOptions(
        temperature=0, top_p=0.5, max_output_tokens=7, seed=2**31 - 5, stop=("\n",)
    )
    assert (asked.stream, asked.include_usage) == (True, True)
    assert read(max_tokens=7, max_completion_tokens=9).options.max_output_tokens == 9
    assert read(stop=["a", "b"]).options.stop == ("a", "b")
    assert read(stop=None, stream=None, temperature=None, seed=None).options == GenerationOptions()


def test_tools_calls_and_results_are_read() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    whole = offer(description="The weather now.", parameters=schema, strict=True)
    other = CALL | {"id": "c2", "function": {"name": "clock", "arguments": ""}}
    asked = read(
        tools=[whole, offer(name="clock", description=None), offer(name="null", parameters=None)],
        tool_choice="auto",
        parallel_tool_calls=False,
        messages=[
            *HI,
            asking(CALL, other) | {"content": "Let me look."},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "Noon"}]},
            RESULT,
            asking(CALL),
            RESULT,
        ],
    )
    bare = {"type": "object", "properties": {}}
    assert asked.tools == (Tool("weather", "The weather now.", schema), Tool("clock", "", bare), Tool("null", "", bare))
    call, clock = ToolCall("c1", "weather", '{"city":"Rome"}'), ToolCall("c2", "clock", "")
    assert asked.messages[1:] == (
        PromptMessage("assistant", "Let me look.", tool_calls=(call, clock)),
        PromptMessage("tool", "Noon", tool_call_id="c2", tool_name="clock"),
        PromptMessage("tool", "Sunny", tool_call_id="c1", tool_name="weather"),
        PromptMessage("assistant", "", tool_calls=(call,)),
        PromptMessage("tool", "Sunny", tool_call_id="c1", tool_name="weather"),
    )
    assert read(tools=[whole], tool_choice="none").tools == ()
    assert read(tools=[offer(parameters=nested(32))]).tools[0].parameters == nested(32)


def test_the_form_of_the_answer_is_read() -> None:
    assert read(response_format={"type": "json_object"}).options.json_schema == {}
    assert read(response_format=wanted(nested(32))).options.json_schema == nested(32)
    assert read(response_format={"type": "text"}).options.json_schema is None


def test_pictures_are_what_their_bytes_are() -> None:
    pictures = [png(), jpeg(), gif(), webp()]
    [question] = read(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Which"},
                    *showing(*map(data_url, pictures))["content"],
                    {"type": "image_url", "image_url": {"url": data_url(png(), "x;a=b"), "detail": "low"}},
                    {"type": "text", "text": "is best?"},
                ],
            }
        ]
    ).messages
    assert question.content == "Which\nis best?"
    kinds = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/png")
    assert question.images == tuple(Image(*each) for each in zip(kinds, [*pictures, png()], strict=True))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org/cat.png", "invalid_image_url"),
        ("http://127.0.0.1/cat.png", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("data:image/png,abc", "invalid_image_url"),
        ("data:" + "x;" * 100_000, "invalid_image_url"),
        ("", "invalid_image_url"),
        ("data:image/png;base64,", "invalid_image"),
        ("data:image/png;base64,abc", "invalid_base64"),
        ("data:image/png;base64,ab=c", "invalid_base64"),
        ("data:image/png;base64,ééé", "invalid_base64"),
        (data_url(b"just words"), "invalid_image"),
        (data_url(b"\0\1\2"), "invalid_image"),
        (data_url(png()[:-1]), "invalid_image"),
        (data_url(png(50, 41)), "image_too_large"),
        (data_url(png() + b"x" * 3_000), "image_too_large"),
        (data_url(b"x" * 3_001), "image_too_large"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_picture_is_refused(url: str, reason: str) -> None:
    error = refused(json.dumps({"model": "m", "messages": [*HI, showing(data_url(png()), url)]}).encode())
    assert (error.param, error.reason) == ("messages[1].content[1].image_url.url", reason)
    assert url not in error.detail or not url
    assert read(messages=[*HI, showing(data_url(png()), data_url(png(50, 40)))])


def test_only_a_user_shows_pictures_and_not_too_many() -> None:
    for role in ("system", "assistant"):
        error = refused(json.dumps({"model": "m", "messages": [showing(data_url(png()), role=role)]}).encode())
        assert (error.param, error.reason) == ("messages[0].content[0]", "unsupported_content_type")
    many = [showing(data_url(png())) for _ in range(MOST_PICTURES)]
    assert len(read(messages=many).messages) == MOST_PICTURES
    error = refused(json.dumps({"model": "m", "messages": [*many, *many[:1]]}).encode())
    assert (error.param, error.reason) == (f"messages[{MOST_PICTURES}].content", "array_above_max_length")


def test_beside_its_pictures_a_request_is_no_larger_than_another() -> None:
    large = PictureLimits(most_bytes=4_000_000, most_pixels=2_000)
    picture = showing(data_url(png() + b"x" * 3_000_000))
    body = json.dumps({"model": "m", "messages": [picture, {"role": "user", "content": "x" * 1_000_000}]}).encode()
    assert len(completion_request(body, large).messages[0].images[0].data) > 3_000_000
    for words in ("x", "data:", '"data:', '\\"data:'):
        for more in (
            {"messages": [picture, {"role": "user", "content": words + "x" * 1_100_000}]},
            {"messages": [picture, asking(CALL | {"function": {"name": "f", "arguments": words + "x" * 1_100_000}})]},
            {"x": [words] * 400_000},
        ):
            with pytest.raises(PayloadTooLarge):
                completion_request(json.dumps({"model": "m", "messages": HI, **more}).encode(), large)


def test_what_only_hints_labels_or_says_the_default_is_passed_over() -> None:
    asked = read(
        n=1,
        user="ann",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        reasoning_effort="low",
        parallel_tool_calls=True,
        tools=[],
        tool_choice="auto",
        response_format={"type": "text"},
        modalities=["text"],
        logprobs=False,
        top_logprobs=0,
        logit_bias={},
        frequency_penalty=0,
        presence_penalty=0.0,
        something_of_tomorrow=[{}, 2**70],
    )
    assert asked == read()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("n", 0),
        ("functions", [{"name": "f"}]),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"50256": -100}),
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("web_search_options", {"x": 1}),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_served_is_refused(field: str, value: Any) -> None:
    error = refused(json.dumps({"model": "m", "messages": HI, field: value}).encode())
    assert (error.param, error.reason) == (field, "unsupported_parameter")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [*HI, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [*HI, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "user", "content": "", "tool_calls": [CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "content": "", "function_call": {"x": 1}}]}, "messages[0].function_call"),
        ({"messages": [asking(CALL | {"type": "custom"})]}, "messages[0].tool_calls[0].type"),
        ({"messages": [asking(CALL | {"function": None})]}, "messages[0].tool_calls[0].type"),
        ({"messages": [asking(CALL | {"id": ""})]}, "messages[0].tool_calls[0].id"),
        ({"messages": [asking(CALL, CALL)]}, "messages[0].tool_calls[1].id"),
        ({"messages": [asking(named("f g"))]}, "messages[0].tool_calls[0].function.name"),
        ({"messages": [asking(*[CALL] * 129)]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "c1"}]}, "messages[0].tool_call_id"),
        ({"messages": [asking(CALL), {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
        ({"messages": [asking(CALL), *HI, RESULT]}, "messages[2].tool_call_id"),
        ({"messages": [asking(CALL), RESULT | {"tool_call_id": "c2"}]}, "messages[1].tool_call_id"),
        ({"messages": [asking(CALL), RESULT | {"content": None}]}, "messages[1].content"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].type"),
        ({"tools": [offer(name="")]}, "tools[0].function.name"),
        ({"tools": [offer(name="f" * 65)]}, "tools[0].function.name"),
        ({"tools": [offer(name="f.g")]}, "tools[0].function.name"),
        ({"tools": [offer(name="f"), offer(name="f")]}, "tools[1].function.name"),
        ({"tools": [offer(name=f"f{number}") for number in range(129)]}, "tools"),
        ({"tools": [offer(parameters=[])]}, "tools[0].function.parameters"),
        ({"tools": [offer(parameters=nested(33))]}, "tools[0].function.parameters"),
        ({"tools": [offer(parameters={"maximum": 10**30})]}, "tools[0].function.parameters"),
        ({"tools": [offer(parameters={"x": "y" * 65_536})]}, "tools[0].function.parameters"),
        ({"tools": [offer(name=f"f{number}", description="x" * 90_000) for number in range(3)]}, "tools"),
        ({"tools": [offer()], "tool_choice": "required"}, "tool_choice"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}]},
            "messages[0].content[1]",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
        ({"response_format": wanted([])}, "response_format.json_schema.schema"),
        ({"response_format": wanted(nested(33))}, "response_format.json_schema.schema"),
        ({"response_format": wanted({"maximum": 10**30})}, "response_format.json_schema.schema"),
        ({"response_format": wanted({"x": "y" * 65_536})}, "response_format.json_schema.schema"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 2**63}, "max_completion_tokens"),
        ({"max_completion_tokens": 10**40}, "max_completion_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"seed": -(2**70)}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["x"] * 9}, "stop"),
        ({"stop": "x" * 101}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_refusal_names_the_field(changes: dict[str, Any], param: str) -> None:
    body = {"model": "m", "messages": HI, **changes}
    error = refused(json.dumps(body).encode())
    assert error.param == param
    assert error.detail
    # Without the change the same request is read.
    assert read()


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_missing_field_is_named(field: str) -> None:
    body = {"model": "m", "messages": HI}
    del body[field]
    error = refused(json.dumps(body).encode())
    assert (error.param, error.reason) == (field, "missing_required_parameter")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"model": "m", "messages": [], "temperature": NaN}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
        b'{"model": "m", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model": "m", "n": ' + b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    assert refused(body).reason == "invalid_json"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(["role", "content", "type", "text", "include_usage", "x", "function", "name", "tool_calls"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8)
FIELDS = ["messages", "model", "stop", "n", "tools", "seed", "stream_options", "response_format", "logprobs"]


@given(VALUES, st.sampled_from(FIELDS))
def test_whatever_stands_in_a_field_is_read_or_refused(value: Any, field: str) -> None:
    with contextlib.suppress(BadCompletionRequest):
        completion_request(json.dumps({"model": "m", "messages": HI, field: value}).encode(), LIMITS)


# Answers


def events_of(stream: bytes) -> list[Any]:
    """The events of a stream, as a client that splits lines as Python does reads them."""
    lines = stream.decode().splitlines()
    assert lines[1::2] == [""] * (len(lines) // 2)
    return [line.removeprefix("data: ") if "[DONE]" in line else json.loads(line[6:]) for line in lines[::2]]


def frame(choices: Any, **rest: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "a/b"}
    return {**head, "system_fingerprint": None, "choices": choices, **rest}


def choice(delta: dict[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize("with_usage", [True, False])
def test_a_stream_has_openais_events(with_usage: bool) -> None:
    writer = ChunkWriter("chatcmpl-1", created_s=5, model="a/b", with_usage=with_usage)
    written = [
        writer.opening(),
        writer.delta("Hm", reasoning=True),
        writer.delta("Yes"),
        writer.ending(FinishReason.STOP, USAGE),
        DONE,
    ]
    none = {"usage": None} if with_usage else {}
    last = [frame([], usage=USAGE)] if with_usage else []
    assert events_of(b"".join(written)) == [
        frame(choice({"role": "assistant", "content": "", "refusal": None}), **none),
        frame(choice({"reasoning_content": "Hm"}), **none),
        frame(choice({"content": "Yes"}), **none),
        frame(choice({}, "stop"), **none),
        *last,
        "[DONE]",
    ]


@given(st.text(), st.text())
def test_any_text_comes_out_of_a_stream_as_it_went_in(text: str, model: str) -> None:
    writer = ChunkWriter("chatcmpl-1", created_s=5, model=model, with_usage=False)
    [event] = events_of(writer.delta(text))
    assert event["choices"][0]["delta"] == {"content": text}
    assert event["model"] == model


def test_the_line_ends_of_other_alphabets_do_not_tear_an_event() -> None:
    text = "a\x85b\u2028c\u2029d\x0be\x1cf\r\ng"
    writer = ChunkWriter("chatcmpl-1", created_s=5, model="m", with_usage=False)
    assert events_of(writer.delta(text))[0]["choices"][0]["delta"]["content"] == text


def test_a_whole_answer_has_openais_members() -> None:
    fields: Any = {"created_s": 5, "model": "a/b", "text": "Yes", "reason": FinishReason.LENGTH, "usage": USAGE}
    answer = completion_out("chatcmpl-1", reasoning="", **fields)
    assert answer["object"] == "chat.completion"
    assert answer["usage"] == USAGE
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    thought = completion_out("chatcmpl-1", reasoning="Hm", **fields)
    assert thought["choices"][0]["message"]["reasoning_content"] == "Hm"


def test_a_call_of_a_tool_is_a_delta_with_its_place() -> None:
    writer = ChunkWriter("chatcmpl-1", created_s=5, model="m", with_usage=False)
    written = [writer.call(ToolCall(name, name, '{"a":"\u2028"}')) for name in ("one", "two")]
    events = [events_of(event)[0]["choices"][0] for event in (*written, writer.ending(FinishReason.TOOL_CALLS, {}))]
    function = {"name": "two", "arguments": '{"a":"\u2028"}'}
    assert events[1]["delta"] == {
        "tool_calls": [{"index": 1, "id": "two", "type": "function", "function": function}],
    }
    assert [event["finish_reason"] for event in events] == [None, None, "tool_calls"]


def test_a_whole_answer_has_its_calls() -> None:
    fields: Any = {"created_s": 5, "model": "a/b", "reasoning": "", "reason": FinishReason.TOOL_CALLS, "usage": USAGE}
    call = ToolCall("c1", "weather", '{"city":"Rome"}')
    answer = completion_out("chatcmpl-1", text="", calls=[call], **fields)["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["content"] is None
    assert answer["message"]["tool_calls"] == [CALL]
    assert completion_out("chatcmpl-1", text="So", calls=[call], **fields)["choices"][0]["message"]["content"] == "So"


@pytest.mark.parametrize("called", [False, True])
def test_finish_reasons_are_openais_words(called: bool) -> None:
    stop = "tool_calls" if called else "stop"
    assert {reason: finish_reason_out(reason, called=called) for reason in FinishReason} == {
        FinishReason.STOP: stop,
        FinishReason.LENGTH: "length",
        FinishReason.CONTENT_FILTER: "content_filter",
        FinishReason.TOOL_CALLS: stop,
        FinishReason.ERROR: stop,
        FinishReason.OTHER: stop,
    }


def test_usage_that_nobody_told_is_estimated() -> None:
    asked = PromptRequest("m", (PromptMessage("user", "Why is the sky blue?"),))
    assert usage_out(Usage(3, 4, reported=True), asked, "") == USAGE
    estimated = usage_out(Usage(), asked, "Because of the air.")
    assert 3 < estimated["prompt_tokens"] < 30
    assert 3 < estimated["completion_tokens"] < 30
    assert estimated["total_tokens"] == estimated["prompt_tokens"] + estimated["completion_tokens"]
    tools = tuple(Tool(f"tool_{number}", "Tells the weather of a city.", {}) for number in range(9))
    assert usage_out(Usage(), structs.replace(asked, tools=tools), "")["prompt_tokens"] > 60
    turn = PromptMessage("assistant", "", tool_calls=(ToolCall("c", "weather", "x " * 100),))
    assert usage_out(Usage(), structs.replace(asked, messages=(turn,)), "")["prompt_tokens"] > 60


def test_usage_tells_what_was_cached_and_thought_when_it_is_known() -> None:
    asked = PromptRequest("m", (PromptMessage("user", "Hi"),))
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 0}}
    assert usage_out(Usage(3, 4, reported=True, cached_input_tokens=2, reasoning_tokens=0), asked, "") == (
        USAGE | details
    )


@pytest.mark.parametrize(
    ("error", "status", "kind", "param", "code"),
    [
        (BadCompletionRequest("x", reason="r", param="p"), 400, "invalid_request_error", "p", "r"),
        (ModelNotOffered("m"), 404, "invalid_request_error", "model", "model_not_found"),
        (PromptTooLong("m"), 400, "invalid_request_error", "messages", "context_length_exceeded"),
        (PromptRejected("m"), 400, "invalid_request_error", "messages", "prompt_rejected"),
        (TooManyCompletions(), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (ModelBusy("m"), 503, "server_error", None, "model_busy"),
        (Draining(), 503, "server_error", None, "draining"),
        (EloquentError(), 500, "server_error", None, "error"),
    ],
)
def test_a_refusal_has_openais_members(
    error: EloquentError, status: int, kind: str, param: str | None, code: str
) -> None:
    assert status_of(error) == status
    body = {"error": {"message": error.detail, "type": kind, "param": param, "code": code}}
    assert error_body(error) == body
    assert events_of(failure(error)) == [body]
