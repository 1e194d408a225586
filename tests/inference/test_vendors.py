"""The vendors' official SDKs: what is asked by them, and what becomes of each of their errors."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import anthropic
import openai
import pytest

from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    PromptRejected,
    PromptTooLong,
)
from inference.providers.anthropic import Anthropic
from inference.providers.base import Provider, ProviderModel
from inference.providers.openai import OpenAI
from inference.providers.vendors import is_mapped, our_error
from inference.types import (
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
from tests.inference.replay import Recorded, ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, WIRE_RIGS, collected, folded, provider_at

RIGS = {rig.kind: rig for rig in WIRE_RIGS}
every_vendor = pytest.mark.parametrize("kind", ["vendor_openai", "anthropic"])


def errors_of(sdk: ModuleType, root: type[Exception]) -> Iterator[type[Exception]]:
    """Every error of an SDK, those of modules that it imports when they are needed too."""
    for module in pkgutil.walk_packages(sdk.__path__, f"{sdk.__name__}.", onerror=lambda _: None):
        if "error" in module.name or "exception" in module.name or ".lib." in module.name:
            try:
                importlib.import_module(module.name)
            except Exception:  # noqa: BLE001  (a part that needs another package: no error of it can come)
                continue
    kinds = root.__subclasses__()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        yield kind


@pytest.mark.parametrize(
    ("sdk", "root", "base"),
    [(openai, openai.OpenAIError, openai.APIError), (anthropic, anthropic.AnthropicError, anthropic.APIError)],
    ids=["openai", "anthropic"],
)
def test_every_error_of_an_sdk_is_one_of_ours(sdk: ModuleType, root: type[Exception], base: type[Exception]) -> None:
    kinds = set(errors_of(sdk, root)) - {base}
    assert len(kinds) > 15
    assert [kind for kind in kinds if not is_mapped(kind)] == []


def test_an_error_of_nobodys_is_not_hidden() -> None:
    assert our_error("a-model", KeyError("ours")) is None
    assert isinstance(our_error("a-model", openai.OpenAIError("new")), ModelFailed)


def replied(case: str, **headers: str) -> Reply:
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return Reply(recorded(case).wire().replace(b"Content-Type:", head.encode() + b"Content-Type:", 1))


REFUSALS = [
    ("busy", {"Retry_After": "17"}, ModelBusy, "org-7"),
    ("busy", {"x_should_retry": "false"}, ModelAccessDenied, "org-7"),
    ("denied", {}, ModelAccessDenied, "sk-abc"),
    ("unknown_model", {}, ModelMissing, "no-such-model"),
    ("too_long", {}, PromptTooLong, "maximum"),
    ("too_long", {"x_should_retry": "true"}, ModelBusy, "maximum"),
]


@every_vendor
@pytest.mark.parametrize(("case", "headers", "expected", "words"), REFUSALS, ids=str)
async def test_a_refusal_is_ours_and_its_words_are_for_the_log(
    replay: ReplayServer, kind: str, case: str, headers: dict[str, str], expected: type[InferenceError], words: str
) -> None:
    replay.replies[RIGS[kind].path] = replied(f"{kind}_{case}", **headers)
    events, error = await collected(provider_at(kind, replay.url).answer(ASKED))
    assert (events, type(error)) == ([], expected)
    assert isinstance(error, InferenceError)
    assert words in str(error.__cause__)
    assert words not in f"{error.detail} {error.extra}"
    assert len(replay.requests) == 1, "the SDK tried again"
    if "Retry_After" in headers:
        assert error.extra["retry_after_s"] == 17


async def test_an_overloaded_vendor_is_busy_before_and_inside_an_answer(replay: ReplayServer) -> None:
    for case in ("overloaded", "overloaded_in_stream"):
        _, error = await collected(RIGS["anthropic"].play(replay, f"{case}").answer(ASKED))
        assert type(error) is ModelBusy


@every_vendor
async def test_a_failure_that_would_come_again_is_not_to_be_tried_again(replay: ReplayServer, kind: str) -> None:
    failing = Recorded(500, "application/json", ('{"error":{"message":"m"}}',), is_whole=True).wire()
    for head, expected in ((b"", ModelFailed), (b"x-should-retry: false\r\n", PromptRejected)):
        wire = failing.replace(b"Content-Type:", head + b"Content-Type:", 1)
        replay.replies[RIGS[kind].path] = Reply(wire)
        _, error = await collected(provider_at(kind, replay.url).answer(ASKED))
        assert type(error) is expected


LISTED = {
    "vendor_openai": [ProviderModel("gpt-4.1", 1_047_576, ("tools", "vision"))],
    # One of those that are configured is retired, and one was never there.
    "anthropic": [
        ProviderModel("claude-sonnet-5-5", 1_000_000, ("tools", "vision", "thinking")),
        ProviderModel("claude-haiku-4-5", 200_000, ("tools", "vision", "thinking")),
    ],
}


@every_vendor
async def test_the_models_are_those_of_the_settings_if_the_key_is_good(replay: ReplayServer, kind: str) -> None:
    replay.replies["/v1/models"] = recorded(f"{kind}_models").reply()
    assert await provider_at(kind, replay.url).models() == LISTED[kind]
    replay.replies["/v1/models"] = recorded(f"{kind}_denied").reply()
    with pytest.raises(ModelAccessDenied):
        await provider_at(kind, replay.url).models()


@pytest.mark.parametrize("vendor", [OpenAI, Anthropic])
@pytest.mark.parametrize("missing", ["package", "key"])
async def test_without_its_package_or_key_a_vendor_is_denied_and_nothing_else_breaks(
    monkeypatch: pytest.MonkeyPatch, vendor: Any, missing: str
) -> None:
    if missing == "package":
        monkeypatch.setitem(__import__("sys").modules, vendor.name, None)
    provider = vendor(api_key="" if missing == "key" else "sk-test", names=("m",), base_url="http://127.0.0.1:9")
    events, error = await collected(provider.answer(ASKED))
    assert (events, type(error)) == ([], ModelAccessDenied)
    with pytest.raises(ModelAccessDenied):
        await provider.models()


async def test_thoughts_calls_and_refusals_of_anthropic(replay: ReplayServer) -> None:
    rig = RIGS["anthropic"]
    events, _ = await collected(rig.play(replay, "thinking").answer(ASKED))
    usage = Usage(11, 12, reported=True, cached_input_tokens=4, reasoning_tokens=8)
    assert events == [ReasoningDelta("Two and two."), TextDelta("Four."), Finished(FinishReason.STOP, usage)]
    events, _ = await collected(rig.play(replay, "tool_call").answer(ASKED))
    assert events[:2] == [TextDelta("Let me look."), ToolCall("toolu_01", "weather", '{"city": "Köln"}')]
    assert isinstance(events[2], Finished)
    assert events[2].reason is FinishReason.TOOL_CALLS


@every_vendor
async def test_a_refusal_in_words_ends_as_one(replay: ReplayServer, kind: str) -> None:
    events, error = await collected(RIGS[kind].play(replay, "refusal").answer(ASKED))
    assert error is None
    assert isinstance(folded(events)[0], TextDelta)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.CONTENT_FILTER


CALL = ToolCall("c1", "weather", '{"city":"Köln"}')
RICH = (
    PromptMessage("system", "Be brief."),
    PromptMessage("user", "What is this?", images=(Image("image/png", b"\x89PNG"),)),
    PromptMessage("assistant", "", tool_calls=(CALL,)),
    PromptMessage("tool", "rain", tool_call_id="c1", tool_name="weather"),
    PromptMessage("user", "And now?"),
)


async def listed_anthropic(replay: ReplayServer) -> Provider:
    """Anthropic that answers, and has told what its models know."""
    provider = RIGS["anthropic"].play(replay, "answer")
    replay.replies["/v1/models"] = recorded("anthropic_models").reply()
    await provider.models()
    return provider


async def test_what_anthropic_is_asked(replay: ReplayServer) -> None:
    options = GenerationOptions(
        temperature=1.4, top_p=0.5, max_output_tokens=50, stop=("END",), json_schema={"type": "object"}
    )
    tools = (Tool("weather", "Tells it.", {"type": "object"}),)
    provider = await listed_anthropic(replay)
    await collected(provider.answer(PromptRequest("claude-haiku-4-5", RICH, options, tools=tools)))
    assert replay.requests[-1].headers["authorization"] == "Bearer sk-test"
    assert replay.requests[-1].json() == {
        "model": "claude-haiku-4-5",
        "max_tokens": 50,
        "stream": True,
        "system": "Be brief.",
        "temperature": 1.0,
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tools": [{"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
                    {"type": "text", "text": "What is this?"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Köln"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                    {"type": "text", "text": "And now?"},
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("model", "thinking", "limit", "told", "samples"),
    [
        ("claude-haiku-4-5", True, 4000, {"type": "enabled", "budget_tokens": 2000}, False),
        ("claude-haiku-4-5", True, 1500, {"type": "enabled", "budget_tokens": 1024}, False),
        ("claude-haiku-4-5", True, 1024, None, True),
        ("claude-haiku-4-5", False, 4000, {"type": "disabled"}, True),
        ("claude-haiku-4-5", None, 4000, None, True),
        ("claude-sonnet-5-5", True, 100, {"type": "adaptive"}, False),
        ("claude-sonnet-5-5", None, 4000, None, False),
        ("claude-not-listed", True, 4000, None, False),
    ],
)
async def test_a_model_is_told_to_think_in_a_way_that_it_knows(
    replay: ReplayServer, model: str, thinking: bool | None, limit: int, told: dict[str, Any] | None, samples: bool
) -> None:
    provider = await listed_anthropic(replay)
    options = GenerationOptions(thinking=thinking, max_output_tokens=limit, temperature=0.2)
    await collected(provider.answer(PromptRequest(model, ASKED.messages, options)))
    sent = replay.requests[-1].json()
    assert sent.get("thinking") == told
    assert ("temperature" in sent) is samples


async def test_what_openai_is_asked(replay: ReplayServer) -> None:
    options = GenerationOptions(temperature=0.5, stop=("END",), seed=7, thinking=False)
    provider = RIGS["vendor_openai"].play(replay, "answer")
    await collected(provider.answer(PromptRequest("gpt-4.1", RICH, options)))
    sent = replay.requests[-1].json()
    assert replay.requests[-1].headers["authorization"] == "Bearer sk-test"
    assert (sent["temperature"], sent["stop"], sent["seed"], sent["stream"]) == (0.5, ["END"], 7, True)
    assert "reasoning_effort" not in sent
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user", "assistant", "tool", "user"]
    await collected(provider.answer(PromptRequest("o3", RICH, options)))
    sent = replay.requests[-1].json()
    assert sent["reasoning_effort"] == "low"
    assert not {"temperature", "stop", "max_tokens"} & sent.keys()
