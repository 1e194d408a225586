"""The wire formats alone: pure, so every cut of every recording can be tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import AnswerCutOff, InferenceError, ModelBusy, ModelFailed
from inference.providers.anthropic_wire import AnthropicDecoder
from inference.providers.bedrock_wire import ConverseDecoder
from inference.providers.decoder import Decoder
from inference.providers.lines import LINE_LIMIT_BYTES
from inference.providers.ollama import OllamaDecoder
from inference.providers.openai_wire import OpenAIDecoder
from inference.types import Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCall, Usage
from tests.inference.replay import recorded
from tests.inference.rigs import folded

STREAMS: list[tuple[type[Decoder], str]] = [
    *((OllamaDecoder, f"ollama_{case}") for case in ("answer", "thinking", "unicode", "tool_call", "error_in_stream")),
    *((OllamaDecoder, f"ollama_{case}") for case in ("stop", "load", "silent_end")),
    *((OpenAIDecoder, f"openai_{case}") for case in ("answer", "tool_call", "error_in_stream", "silent_end")),
    *((OpenAIDecoder, f"vendor_openai_{case}") for case in ("answer", "tool_call", "error_in_stream", "refusal")),
    *((AnthropicDecoder, f"anthropic_{case}") for case in ("answer", "thinking", "tool_call", "refusal")),
    *((AnthropicDecoder, f"anthropic_{case}") for case in ("silent_end", "error_in_stream")),
    *((OpenAIDecoder, f"llamacpp_{case}") for case in ("answer", "error_in_stream", "silent_end")),
    *((ConverseDecoder, f"bedrock_{case}") for case in ("answer", "error_in_stream", "silent_end")),
]

Outcome = tuple[list[Event], Finished | None, type[InferenceError] | None]


def decoded(decoder: type[Decoder], *reads: bytes) -> Outcome:
    one = decoder("a-model")
    events: list[Event] = []
    for read in reads:
        events += one.feed(read)
        if one.is_over:
            break
    events += one.end()
    return folded(events), one.finished, type(one.failure) if one.failure else None


@pytest.mark.parametrize(("decoder", "name"), STREAMS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_recording_is_the_same_wherever_it_is_cut(decoder: type[Decoder], name: str) -> None:
    body = recorded(name).body
    whole = decoded(decoder, body)
    for position in range(1, len(body)):
        assert decoded(decoder, body[:position], body[position:]) == whole, f"cut after byte {position}"
    assert decoded(decoder, *(bytes([byte]) for byte in body)) == whole


@given(st.data())
def test_many_cuts_at_once_make_no_difference(data: st.DataObject) -> None:
    decoder, name = data.draw(st.sampled_from(STREAMS))
    body = recorded(name).body
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=12)))
    reads = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decoded(decoder, *reads) == decoded(decoder, body)


@given(st.lists(st.text(min_size=1), max_size=20))
def test_any_text_comes_out_of_ollamas_lines_as_it_went_in(texts: list[str]) -> None:
    import msgspec

    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    body = b"".join(msgspec.json.encode({"message": {"content": text}, "done": False}) + b"\n" for text in texts)
    events, finished, _ = decoded(OllamaDecoder, body + b'{"done":true,"done_reason":"stop"}\n')
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "".join(texts)
    assert finished == Finished(FinishReason.STOP, Usage())


@given(st.binary(max_size=200), st.sampled_from([OllamaDecoder, OpenAIDecoder, AnthropicDecoder, ConverseDecoder]))
def test_no_bytes_at_all_make_a_decoder_raise(noise: bytes, decoder: type[Decoder]) -> None:
    _, finished, failure = decoded(decoder, noise, b"\n" + noise)
    assert finished is not None or failure is not None


def test_thinking_comes_as_reasoning_before_the_text() -> None:
    events, finished, _ = decoded(OllamaDecoder, recorded("ollama_thinking").body)
    assert events == [ReasoningDelta("Two and two."), TextDelta("It is four.")]
    assert finished is not None
    assert finished.reason is FinishReason.STOP


def test_reasoning_of_openai_compatible_servers_has_two_names() -> None:
    body = b"".join(
        b'data: {"choices":[{"index":0,"delta":{%b}}]}\n\n' % delta
        for delta in (b'"reasoning_content":"Two "', b'"reasoning":"and two."', b'"content":"Four."')
    )
    events, _, _ = decoded(OpenAIDecoder, body)
    assert events == [ReasoningDelta("Two and two."), TextDelta("Four.")]


def test_text_that_go_escapes_is_unescaped_and_emoji_are_whole() -> None:
    events, _, _ = decoded(OllamaDecoder, recorded("ollama_unicode").body)
    assert events == [TextDelta("Grüße <b> & \u2028日本 👩\u200d🚀")]


def test_ollamas_tool_calls_come_whole_and_finish_as_tool_calls() -> None:
    events, finished, _ = decoded(OllamaDecoder, recorded("ollama_tool_call").body)
    assert events == [ToolCall("call_hme9xy09", "get_weather", '{"city":"Paris"}')]
    assert finished is not None
    assert finished.reason is FinishReason.TOOL_CALLS


def test_tool_calls_in_pieces_are_put_together() -> None:
    pieces = (
        b'{"index":0,"id":"call_1","function":{"name":"get_weather","arguments":""}}',
        b'{"index":1,"id":"call_2","function":{"name":"get_time","arguments":"{"}}',
        b'{"index":0,"function":{"arguments":"{\\"city\\":"}}',
        b'{"index":0,"function":{"arguments":"\\"Paris\\"}"}}',
        b'{"index":1,"function":{"arguments":"}"}}',
    )
    body = b"".join(b'data: {"choices":[{"index":0,"delta":{"tool_calls":[%b]}}]}\n\n' % piece for piece in pieces)
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
    events, finished, _ = decoded(OpenAIDecoder, body + end)
    assert events == [ToolCall("call_1", "get_weather", '{"city":"Paris"}'), ToolCall("call_2", "get_time", "{}")]
    assert finished is not None
    assert finished.reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (b'"done_reason":"stop",', FinishReason.STOP),
        (b"", FinishReason.STOP),
        (b'"done_reason":"length",', FinishReason.LENGTH),
        (b'"done_reason":"load",', FinishReason.OTHER),
        (b'"done_reason":"unload",', FinishReason.OTHER),
    ],
)
def test_ollamas_done_reasons(told: bytes, reason: FinishReason) -> None:
    _, finished, _ = decoded(OllamaDecoder, b"{%b" % told + b'"done":true}')
    assert finished == Finished(reason, Usage(None, None, reported=False))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("function_call", FinishReason.TOOL_CALLS),
        ("abort", FinishReason.OTHER),
    ],
)
def test_openais_finish_reasons_count_even_without_a_done_mark(told: str, reason: FinishReason) -> None:
    body = f'data: {{"choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":"{told}"}}]}}'
    events, finished, failure = decoded(OpenAIDecoder, body.encode())
    assert (events, failure) == ([TextDelta("x")], None)
    assert finished is not None
    assert finished.reason is reason


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"error":{"message":"boom","type":"server_error"}}',
        b'data: {"error":"boom"}',
        b'data: {"object":"error","message":"boom","code":500}',
        b'data: {"detail":"boom"}',
        b'error: {"code":500,"message":"boom"}',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":{"message":"boom"}}',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}',
        b"data: {broken",
        b'data: {"choices":7}',
    ],
)
def test_errors_inside_an_openai_stream_have_many_shapes(line: bytes) -> None:
    text = b'data: {"choices":[{"index":0,"delta":{"content":"So far"}}]}\n\n'
    events, finished, failure = decoded(OpenAIDecoder, text + line + b"\n\ndata: [DONE]\n\n")
    assert (events, finished, failure) == ([TextDelta("So far")], None, ModelFailed)


def test_an_error_in_place_of_a_stream_is_read_as_one() -> None:
    _, _, failure = decoded(OpenAIDecoder, b'{"error":{"message":"slow down","code":429}}\n')
    assert failure is ModelBusy


def test_comments_and_carriage_returns_are_no_events() -> None:
    body = (
        b': ping\r\n\r\nevent: x\r\ndata: {"choices":[{"index":0,"delta":{"content":"a"}}]}\r\n\r\ndata:[DONE]\r\n\r\n'
    )
    events, finished, _ = decoded(OpenAIDecoder, body)
    assert events == [TextDelta("a")]
    assert finished == Finished(FinishReason.OTHER, Usage())


def test_a_bad_line_keeps_the_text_before_it() -> None:
    outcome = decoded(OllamaDecoder, b'{"message":{"content":"So far"},"done":false}\n{"mess\n{"done":true}\n')
    assert outcome == ([TextDelta("So far")], None, ModelFailed)


def test_nothing_after_the_end_counts() -> None:
    events, finished, failure = decoded(
        OllamaDecoder, b'{"done":true}\n{"message":{"content":"more"}}\n{"error":"x"}\n'
    )
    assert (events, failure) == ([], None)
    assert finished is not None


def test_half_a_line_at_the_end_is_a_cut_and_not_a_bad_format() -> None:
    assert decoded(OllamaDecoder, b'{"message":{"content":"Hi"}}\n{"message":{"con') == (
        [TextDelta("Hi")],
        None,
        AnswerCutOff,
    )


def test_a_line_without_end_is_given_up() -> None:
    decoder = OllamaDecoder("a-model")
    for _ in range(LINE_LIMIT_BYTES // (1 << 20) + 1):
        decoder.feed(b"x" * (1 << 20))
    assert isinstance(decoder.failure, ModelFailed)
