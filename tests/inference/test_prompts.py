"""What is more than words in a prompt, as each wire writes it: pictures, tools and their results, JSON wanted."""

import json
from typing import Any

import msgspec
import pytest

from inference.providers import ollama, openai_wire
from inference.providers.openai_wire import OpenAIDecoder
from inference.types import (
    Finished,
    FinishReason,
    GenerationOptions,
    Image,
    PromptMessage,
    PromptRequest,
    Tool,
    ToolCall,
    Usage,
)

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "How the weather is.", SCHEMA)
PNG = Image("image/png", b"\x89PNG\r\n")
CALL = ToolCall("call_1", "weather", '{"city":"Zürich"}')
TURNS = (
    PromptMessage("system", "Be brief."),
    PromptMessage("user", "Where is this?", images=(PNG,)),
    PromptMessage("assistant", "Let me see.", tool_calls=(CALL,)),
    PromptMessage("tool", '{"sky":"clear"}', tool_call_id="call_1", tool_name="weather"),
)


def told_to(wire: Any, *, turns: tuple[PromptMessage, ...] = TURNS, **options: Any) -> dict[str, Any]:
    request = PromptRequest("m", turns, GenerationOptions(**options), tools=(WEATHER,) if turns is TURNS else ())
    body: dict[str, Any] = json.loads(wire.chat_body(request))
    return body


def test_ollama_gets_pictures_bare_and_arguments_as_an_object() -> None:
    assert told_to(ollama)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is this?", "images": ["iVBORw0K"]},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}],
        },
        {"role": "tool", "content": '{"sky":"clear"}', "tool_call_id": "call_1", "tool_name": "weather"},
    ]


def test_openai_gets_pictures_as_data_urls_and_arguments_as_text() -> None:
    assert told_to(openai_wire)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Where is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": CALL.arguments}}
            ],
        },
        {"role": "tool", "content": '{"sky":"clear"}', "tool_call_id": "call_1"},
    ]


@pytest.mark.parametrize("wire", [ollama, openai_wire], ids=["ollama", "openai"])
def test_tools_travel_with_their_schema_and_are_left_out_when_there_are_none(wire: Any) -> None:
    function = {"name": "weather", "description": "How the weather is.", "parameters": SCHEMA}
    assert told_to(wire)["tools"] == [{"type": "function", "function": function}]
    assert "tools" not in told_to(wire, turns=TURNS[:1])


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", '"x"'])
def test_arguments_that_are_no_object_are_an_empty_one_for_ollama(arguments: str) -> None:
    turn = PromptMessage("assistant", "", tool_calls=(ToolCall("1", "weather", arguments),))
    [written] = told_to(ollama, turns=(turn,))["messages"]
    assert written["tool_calls"][0]["function"]["arguments"] == {}


def test_json_is_asked_for_in_each_servers_way() -> None:
    assert told_to(ollama, json_schema=SCHEMA)["format"] == SCHEMA
    assert told_to(ollama, json_schema={})["format"] == "json"
    assert told_to(openai_wire, json_schema=SCHEMA)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    assert told_to(openai_wire, json_schema={})["response_format"] == {"type": "json_object"}
    assert "format" not in told_to(ollama)
    assert "response_format" not in told_to(openai_wire)


@pytest.mark.parametrize("keep_alive", [0, 300, "10m"])
def test_only_ollama_is_told_how_long_to_keep_a_model(keep_alive: int | str) -> None:
    assert told_to(ollama, keep_alive=keep_alive)["keep_alive"] == keep_alive
    assert "keep_alive" not in told_to(openai_wire, keep_alive=keep_alive)
    assert "keep_alive" not in told_to(ollama)


def test_parts_of_the_usage_are_told_apart() -> None:
    decoder = OpenAIDecoder("m")
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    decoder.feed(b"".join(b"data: %b\n\n" % msgspec.json.encode(chunk) for chunk in chunks) + b"data: [DONE]\n\n")
    assert decoder.finished == Finished(
        FinishReason.STOP, Usage(100, 40, reported=True, cached_input_tokens=64, reasoning_tokens=30)
    )
