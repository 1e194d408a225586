"""Each provider, set up to be asked the same things: what the contract suite runs over."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from inference.errors import ModelFailed, VendorError
from inference.providers.anthropic import Anthropic
from inference.providers.anthropic_wire import AnthropicDecoder
from inference.providers.base import Provider
from inference.providers.bedrock import Bedrock
from inference.providers.bedrock_wire import ConverseDecoder
from inference.providers.decoder import Decoder
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.ollama import Ollama, OllamaDecoder
from inference.providers.openai import OpenAI
from inference.providers.openai_compatible import OpenAICompatible
from inference.providers.openai_wire import OpenAIDecoder
from inference.providers.scripted import Scripted, Step
from inference.types import (
    Event,
    Finished,
    FinishReason,
    GenerationOptions,
    PromptMessage,
    PromptRequest,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from tests.inference.replay import ReplayServer, recorded

ASKED = PromptRequest("a-model", (PromptMessage("user", "Count."),), GenerationOptions(max_output_tokens=20))
SECRETS = ("CUDA", "gpu-7", "/srv", "/models", "unexpected EOF", "running the model")
"""What the servers' own words hold in these fixtures; none of it may be in a sentence for a user."""


@dataclass(frozen=True)
class Rig:
    """How to make one provider play a case: "answer", "silent_end", "eof" or "error_in_stream"."""

    kind: str
    path: str
    text: str
    finished: Finished
    decoder: type[Decoder]

    def provider(self, replay: ReplayServer) -> Provider:
        return provider_at(self.kind, replay.url)

    def play(self, replay: ReplayServer, case: str, **how: Any) -> Provider:
        replay.replies[self.path] = recorded(f"{self.kind}_{case}").reply(**how)
        return self.provider(replay)


_bedrocks: dict[str, Bedrock] = {}


def provider_at(kind: str, url: str) -> Provider:
    if kind == "ollama":
        return Ollama(url)
    if kind == "vendor_openai":
        return OpenAI(api_key="sk-test", names=("gpt-4.1",), base_url=f"{url}/v1")
    if kind == "anthropic":
        return Anthropic(
            api_key="sk-test",
            names=("claude-sonnet-5-5", "claude-haiku-4-5", "claude-old", "claude-unheard-of"),
            base_url=url,
        )
    if kind == "bedrock":
        if url not in _bedrocks:
            _bedrocks[url] = Bedrock([ASKED.model], region="us-east-1", endpoint_url=url)
        return _bedrocks[url]  # its client is its own, and takes a while to make
    return OpenAICompatible(f"{url}/v1", api_key="sk-test") if kind == "openai" else LlamaCppServer(url)


async def close_providers() -> None:
    """Close the clients that are not shared."""
    while _bedrocks:
        await _bedrocks.popitem()[1].aclose()


def ended(reason: FinishReason, input_tokens: int, output_tokens: int, *, cached: int | None = None) -> Finished:
    return Finished(reason, Usage(input_tokens, output_tokens, reported=True, cached_input_tokens=cached))


WIRE_RIGS = [
    Rig("ollama", "/api/chat", "To find the maximum number", ended(FinishReason.LENGTH, 18, 5), OllamaDecoder),
    Rig("openai", "/v1/chat/completions", "I'm glad to", ended(FinishReason.LENGTH, 11, 4), OpenAIDecoder),
    Rig(
        "llamacpp",
        "/v1/chat/completions",
        "I'm glad you're",
        ended(FinishReason.LENGTH, 32, 5, cached=31),
        OpenAIDecoder,
    ),
    Rig(
        "vendor_openai",
        "/v1/chat/completions",
        "I'm glad to",
        Finished(FinishReason.LENGTH, Usage(11, 4, reported=True, cached_input_tokens=8, reasoning_tokens=2)),
        OpenAIDecoder,
    ),
    Rig(
        "anthropic",
        "/v1/messages",
        "I'm glad to",
        Finished(FinishReason.LENGTH, Usage(11, 4, reported=True, cached_input_tokens=4)),
        AnthropicDecoder,
    ),
    Rig(
        "bedrock",
        "/model/a-model/converse-stream",
        "Sunlight scatters — blue most",
        ended(FinishReason.LENGTH, 32, 5, cached=20),
        ConverseDecoder,
    ),
]


def _failure() -> ModelFailed:
    failed = ModelFailed("a-model")
    failed.__cause__ = VendorError("CUDA out of memory on host gpu-7")
    return failed


@dataclass(frozen=True)
class ScriptedRig(Rig):
    """The scripted provider has no wire, and keeps the same contract."""

    scripts: dict[str, list[Step]] = field(default_factory=dict)

    def play(self, replay: ReplayServer, case: str, **how: Any) -> Provider:  # noqa: ARG002
        return Scripted(self.scripts[case])


SCRIPTED_RIG = ScriptedRig(
    "scripted",
    "",
    "Hello there",
    ended(FinishReason.STOP, 3, 2),
    Decoder,
    {
        "answer": ["Hello", " there", ended(FinishReason.STOP, 3, 2)],
        "silent_end": ["Hello", " there"],
        "eof": ["Hello", " there"],
        "error_in_stream": ["Hello", " there", _failure()],
    },
)
RIGS: list[Rig] = [*WIRE_RIGS, SCRIPTED_RIG]


async def collected(events: AsyncGenerator[Event, None]) -> tuple[list[Event], BaseException | None]:
    """Everything that came, and the error that ended it."""
    came: list[Event] = []
    try:
        async for event in events:
            came.append(event)  # noqa: PERF401  (what came before an error counts)
    except Exception as error:  # noqa: BLE001  (the test looks at its type)
        return came, error
    return came, None


def folded(events: list[Event]) -> list[Event]:
    """The same events with neighbouring deltas of a kind joined: how the network cut them does not show any more."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextDelta | ReasoningDelta) and type(last) is type(event):
            joined[-1] = type(event)(last.text + event.text)
        else:
            joined.append(event)
    return joined


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
