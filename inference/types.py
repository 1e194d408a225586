"""The vocabulary between the chat and every language model: what is asked, and the events that come back.

An answer is zero or more of `TextDelta`, `ReasoningDelta`, `ToolCall` and `Status`, then exactly one `Finished`.
All values are frozen, so one may be handed to many readers.
"""

from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec


class FinishReason(StrEnum):
    """Why a language model stopped. The spelling is the AI SDK's, so it travels to the browser unchanged."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content-filter"
    TOOL_CALLS = "tool-calls"
    ERROR = "error"
    OTHER = "other"


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one model call.

    `input_tokens` counts the whole prompt, cached or not. None means that the server did not say; `reported` is True
    only when both numbers are the server's own.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reported: bool = False


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer: the text of one network read, which may hold many tokens; never empty."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of what the model thinks before it answers; never empty."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """One whole call of a tool. `arguments` is JSON text as the model wrote it, invalid if it was cut short."""

    id: str
    name: str
    arguments: str


class Status(msgspec.Struct, frozen=True, gc=False):
    """What a silent model is doing. `elapsed_s` counts from the start of this answer."""

    state: Literal["loading", "queued"]
    elapsed_s: float


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The last event of every answer that was not an error."""

    reason: FinishReason
    usage: Usage


Event: TypeAlias = TextDelta | ReasoningDelta | ToolCall | Status | Finished


class PromptMessage(msgspec.Struct, frozen=True, gc=False):
    """One turn. The role set is closed here because servers accept any word and answer nonsense."""

    role: Literal["system", "user", "assistant"]
    content: str


class GenerationOptions(msgspec.Struct, frozen=True, gc=False):
    """How to generate. None leaves the server's own default, except `max_output_tokens`, which is always bounded.

    `thinking` False asks for no reasoning before the answer, where the server can be told so; elsewhere it is ignored.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool | None = None


class PromptRequest(msgspec.Struct, frozen=True):
    """What to answer.

    `model` is the model's name on its own server and `context_window` its size in tokens; the router sets both from
    the offered model, so a caller may leave the second out.
    """

    model: str
    messages: tuple[PromptMessage, ...]
    options: GenerationOptions = GenerationOptions()
    context_window: int | None = None
