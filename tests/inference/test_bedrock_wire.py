"""What Bedrock's events mean, and what it is asked: pure, without AWS's package but where that says what is valid."""

import re
from itertools import pairwise
from typing import Any

import pytest

from inference.errors import AnswerCutOff, InferenceError, ModelBusy, ModelFailed, PromptRejected, PromptTooLong
from inference.providers.bedrock_wire import ConverseDecoder, converse_arguments
from inference.types import (
    Event,
    Finished,
    FinishReason,
    GenerationOptions,
    Image,
    PromptMessage,
    PromptRequest,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from tests.fakes.bedrock import block_end, framed, stopped, stream, text, text_header, thought, tool, usage
from tests.inference.rigs import SECRETS
from tests.inference.test_decoders import decoded

STARTED = {"messageStart": {"role": "assistant"}}
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def events_of(*told: dict[str, Any]) -> tuple[list[Event], Finished | None, type[InferenceError] | None]:
    return decoded(ConverseDecoder, stream(*told))


def test_thoughts_come_before_the_text_and_signatures_are_nobodys_business() -> None:
    signature = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}}
    hidden = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": "eA=="}}}}
    events, finished, _ = events_of(
        STARTED,
        thought("Two and "),
        thought("two."),
        signature,
        hidden,
        block_end(),
        text("Four.", index=1),
        block_end(1),
        stopped("end_turn"),
        usage(9, 4),
    )
    assert events == [ReasoningDelta("Two and two."), TextDelta("Four.")]
    assert finished == Finished(FinishReason.STOP, Usage(9, 4, reported=True))


def test_a_thought_between_words_stays_between_them() -> None:
    events, _, _ = events_of(text("One."), thought("Hm.", index=1), text("Two.", index=2), stopped("end_turn"))
    assert events == [TextDelta("One."), ReasoningDelta("Hm."), TextDelta("Two.")]


def test_a_call_of_a_tool_is_whole_and_stands_where_the_model_wrote_it() -> None:
    told = [
        STARTED,
        text("Let me look."),
        block_end(),
        *tool("weather", "tooluse_1", '{"ci', 'ty": "Ham', 'burg"}', index=1),
        block_end(1),
        *tool("now", "tooluse_2", index=2),
        block_end(2),
        stopped("tool_use"),
        usage(9, 4),
    ]
    calls = [ToolCall("tooluse_1", "weather", '{"city": "Hamburg"}'), ToolCall("tooluse_2", "now", "{}")]
    events, finished, _ = events_of(*told)
    assert events == [TextDelta("Let me look."), *calls]
    assert finished is not None
    assert finished.reason is FinishReason.TOOL_CALLS
    wire = stream(*told)
    for position in range(1, len(wire)):
        assert decoded(ConverseDecoder, wire[:position], wire[position:])[0] == events, f"cut after byte {position}"


def test_a_call_that_was_cut_short_is_told_as_far_as_it_came() -> None:
    events, finished, _ = events_of(*tool("weather", "t", '{"ci'), stopped("max_tokens"))
    assert events == [ToolCall("t", "weather", '{"ci')]
    assert finished == Finished(FinishReason.LENGTH, Usage())


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
        ("malformed_tool_use", FinishReason.OTHER),
        ("malformed_model_output", FinishReason.OTHER),
        ("a_reason_of_next_year", FinishReason.OTHER),
    ],
)
def test_every_stop_reason_has_its_word(told: str, reason: FinishReason) -> None:
    _, finished, failure = events_of(text("Hello"), stopped(told), usage(1, 2))
    assert failure is None
    assert finished == Finished(reason, Usage(1, 2, reported=True))


def test_every_stop_reason_that_awss_package_knows_is_in_that_table() -> None:
    from botocore.session import Session

    model = Session().get_service_model("bedrock-runtime")
    known = set(model.shape_for("StopReason").enum)
    here = test_every_stop_reason_has_its_word.pytestmark[0].args[1]
    assert known <= {told for told, _ in here}


def test_the_whole_prompt_is_counted_whether_it_was_cached_or_not() -> None:
    _, finished, _ = events_of(
        text("x"), stopped("end_turn"), usage(10, 5, cacheReadInputTokens=200, cacheWriteInputTokens=30)
    )
    assert finished is not None
    assert finished.usage == Usage(240, 5, reported=True, cached_input_tokens=200)


def test_usage_of_which_half_is_missing_is_not_reported() -> None:
    for told, expected in (({"inputTokens": 7}, Usage(7)), ({"outputTokens": 7}, Usage(None, 7)), ({}, Usage())):
        _, finished, _ = events_of(stopped("end_turn"), {"metadata": {"usage": told}})
        assert finished == Finished(FinishReason.STOP, expected)
    _, finished, _ = events_of(stopped("end_turn"), {"metadata": {"metrics": {"latencyMs": 1}}})
    assert finished == Finished(FinishReason.STOP, Usage())


def test_usage_before_the_end_is_no_end() -> None:
    events, finished, failure = events_of(text("Hello"), usage(1, 2))
    assert (events, finished, failure) == ([TextDelta("Hello")], None, AnswerCutOff)


def test_events_that_nobody_knows_yet_are_passed_over() -> None:
    strange = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"citation": {"title": "A book"}}}}
    begun = {"contentBlockStart": {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}}
    events, finished, failure = events_of(
        STARTED, begun, {"heartbeat": {"usage": "none"}}, strange, text("Hello"), stopped("end_turn"), usage(1, 2)
    )
    assert (events, failure) == ([TextDelta("Hello")], None)
    assert finished is not None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"internalServerException": {"message": "m"}}, ModelFailed),
        (
            {"modelStreamErrorException": {"message": "m", "originalStatusCode": 400}},
            ModelFailed,
        ),
        ({"throttlingException": {"message": "Too many tokens, please wait before trying again."}}, ModelBusy),
        ({"serviceUnavailableException": {"message": "m"}}, ModelBusy),
        ({"validationException": {"message": "Malformed input request"}}, PromptRejected),
        ({"validationException": {"message": "Input is too long for requested model."}}, PromptTooLong),
        ({"aNewException": {"message": "m"}}, ModelFailed),
        ({"internalServerException": {}}, ModelFailed),
    ],
    ids=str,
)
def test_an_exception_inside_the_stream_is_the_error_it_would_be_before(
    told: dict[str, Any], expected: type[InferenceError]
) -> None:
    events, finished, failure = events_of(STARTED, text("Hello"), told, text(" never"))
    assert (events, finished, failure) == ([TextDelta("Hello")], None, expected)


def test_an_error_of_the_protocol_is_a_failure_with_its_words_as_the_cause() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "broken at /srv"}
    decoder = ConverseDecoder("a-model")
    decoder.feed(framed(b"".join(text_header(*header) for header in headers.items()), b""))
    assert type(decoder.failure) is ModelFailed
    assert "broken at /srv" in str(decoder.failure.__cause__)
    assert not any(secret in decoder.failure.detail for secret in SECRETS)
    headers[":error-code"] = "throttlingException"
    decoder = ConverseDecoder("a-model")
    decoder.feed(framed(b"".join(text_header(*header) for header in headers.items()), b""))
    assert type(decoder.failure) is ModelBusy


@pytest.mark.parametrize("payload", [b"not JSON", b"[]", b'{"delta":{"text":7}}', b'{"delta":'])
def test_a_payload_that_cannot_be_read_is_a_failure(payload: bytes) -> None:
    names = {":message-type": "event", ":event-type": "contentBlockDelta"}
    headers = b"".join(text_header(*name) for name in names.items())
    events, finished, failure = decoded(ConverseDecoder, stream(text("Hello")) + framed(headers, payload))
    assert (events, finished, failure) == ([TextDelta("Hello")], None, ModelFailed)


def asked(*messages: PromptMessage, **how: Any) -> dict[str, Any]:
    arguments = converse_arguments(PromptRequest("a-model", messages, **how), "a-model")
    assert faults_of(arguments) == ""
    return arguments


def faults_of(arguments: dict[str, Any]) -> str:
    """What AWS's own package finds wrong with a request."""
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model = Session().get_service_model("bedrock-runtime")
    shape = model.operation_model("ConverseStream").input_shape
    return str(ParamValidator().validate(arguments, shape).generate_report())


QUESTION = PromptMessage("user", "Why is the sky blue?")


def test_a_question_is_asked_with_a_bound() -> None:
    assert asked(QUESTION) == {
        "modelId": "a-model",
        "messages": [{"role": "user", "content": [{"text": "Why is the sky blue?"}]}],
        "inferenceConfig": {"maxTokens": 2048},
    }


def test_options_travel_under_converses_names() -> None:
    options = GenerationOptions(
        temperature=0.5, top_p=0.9, max_output_tokens=7, seed=3, stop=("\n\n", ""), thinking=False, keep_alive="10m"
    )
    assert asked(QUESTION, options=options)["inferenceConfig"] == {
        "maxTokens": 7,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["\n\n"],
    }


def test_what_the_system_says_is_no_turn() -> None:
    sent = asked(PromptMessage("system", "Be brief."), PromptMessage("system", " "), QUESTION)
    assert sent["system"] == [{"text": "Be brief."}]
    assert sent["messages"] == asked(QUESTION)["messages"]
    assert "system" not in asked(PromptMessage("system", ""), QUESTION)


def test_turns_alternate_and_none_is_blank() -> None:
    sent = asked(
        QUESTION,
        PromptMessage("assistant", " \n"),
        PromptMessage("user", "Please."),
        PromptMessage("assistant", "Because."),
        PromptMessage("assistant", "Of the air."),
        PromptMessage("user", "Thanks."),
    )
    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "Why is the sky blue?"}, {"text": "Please."}]},
        {"role": "assistant", "content": [{"text": "Because."}, {"text": "Of the air."}]},
        {"role": "user", "content": [{"text": "Thanks."}]},
    ]
    assert all(one["role"] != other["role"] for one, other in pairwise(sent["messages"]))


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_a_picture_travels_as_its_bytes(kind: str) -> None:
    picture = Image(f"image/{kind}", b"\x89picture")
    sent = asked(PromptMessage("user", "What is this?", images=(picture,)))
    block = {"image": {"format": kind, "source": {"bytes": b"\x89picture"}}}
    assert sent["messages"][0]["content"] == [{"text": "What is this?"}, block]
    assert asked(PromptMessage("user", "", images=(picture,)))["messages"][0]["content"] == [block]


def test_calls_of_tools_and_their_results_travel_together() -> None:
    calls = (ToolCall("call/1", "weather", '{"city": "Kiel"}'), ToolCall("call 2", "weather", '{"ci'))
    sent = asked(
        QUESTION,
        PromptMessage("assistant", "", tool_calls=calls),
        PromptMessage("tool", "Rain.", tool_call_id="call/1", tool_name="weather"),
        PromptMessage("tool", "", tool_call_id="call 2", tool_name="weather"),
        tools=(WEATHER,),
    )
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Kiel"}}},
                {"toolUse": {"toolUseId": "call_2", "name": "weather", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "call_1", "content": [{"text": "Rain."}]}},
                {"toolResult": {"toolUseId": "call_2", "content": []}},
            ],
        },
    ]
    spec = {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": WEATHER.parameters}}
    assert sent["toolConfig"] == {"tools": [{"toolSpec": spec}]}


def test_tools_that_were_used_are_named_when_none_is_offered_any_more() -> None:
    sent = asked(
        QUESTION,
        PromptMessage("assistant", "", tool_calls=(ToolCall("1", "weather", "{}"), ToolCall("2", "weather", "{}"))),
        PromptMessage("tool", "Rain.", tool_call_id="1", tool_name="weather"),
        PromptMessage("tool", "Sun.", tool_call_id="2", tool_name="weather"),
    )
    spec = {"name": "weather", "inputSchema": {"json": {"type": "object"}}}
    assert sent["toolConfig"] == {"tools": [{"toolSpec": spec}]}
    assert "toolConfig" not in asked(QUESTION)


def test_an_id_of_nothing_or_of_too_much_is_still_an_id() -> None:
    for told in ("", "x" * 100, "chatcmpl-tool:ä"):
        sent = asked(QUESTION, PromptMessage("assistant", "", tool_calls=(ToolCall(told, "weather", "{}"),)))
        assert re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", sent["messages"][1]["content"][0]["toolUse"]["toolUseId"])


def test_json_by_a_schema_is_asked_for_as_text_of_the_schema() -> None:
    for schema, sent in (({"type": "string"}, '{"type":"string"}'), ({}, '{"type":"object"}')):
        told = asked(QUESTION, options=GenerationOptions(json_schema=schema))["outputConfig"]["textFormat"]
        assert told == {"type": "json_schema", "structure": {"jsonSchema": {"name": "answer", "schema": sent}}}
    assert "outputConfig" not in asked(QUESTION)
