"""The vocabulary between the chat and every language model: what is asked, and the events that come back.

An answer is zero or more of `TextDelta`, `ReasoningDelta`, `ToolCall` and `Status`, then exactly one `Finished`. The
router adds `ModelChanged`, and `inference.steps` adds `ToolOutput`, `ApprovalRequest` and `NextStep`, which no provider
knows.
All values are frozen, so one may be handed to many readers.
"""

from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

import msgspec

DEFAULT_OUTPUT_TOKENS: Final = 2048
"""The bound of an answer when nobody names another: a small model talks for minutes."""


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

    `input_tokens` counts the whole prompt, cached or not, and `output_tokens` all that was written, thoughts too. None
    means that the server did not say; `reported` is True only when both numbers are the server's own.
    `cached_input_tokens` and `reasoning_tokens` are parts of the two, for servers that charge or show them apart.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reported: bool = False
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None


class Price(msgspec.Struct, frozen=True, gc=False):
    """What tokens cost, in millionths of the currency for a million tokens. Cached input costs `input` when None."""

    input_micros: int
    output_micros: int
    cached_input_micros: int | None = None


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


class ToolOutput(msgspec.Struct, frozen=True, gc=False):
    """What a tool said to the call with this id. An error is a sentence for the language model, and so is a denial."""

    call_id: str
    tool_name: str
    text: str
    is_error: bool = False
    is_denied: bool = False
    """It was not called: the user did not agree."""


class ApprovalRequest(msgspec.Struct, frozen=True, gc=False):
    """The call with this id waits for the user's agreement. The answer ends behind it, until the user has decided."""

    call_id: str


class NextStep(msgspec.Struct, frozen=True, gc=False):
    """The language model is asked again, with what its tools have said. `usage` is of the step that is over."""

    usage: Usage = Usage()


class Status(msgspec.Struct, frozen=True, gc=False):
    """What a silent model is doing. `elapsed_s` counts from the start of this answer.

    One that waits in our own queue has a `position`, from 1, and is likely to have its turn in `eta_s` seconds; None
    where nobody knows.
    """

    state: Literal["loading", "queued"]
    elapsed_s: float
    position: int | None = None
    eta_s: float | None = None


class ModelChanged(msgspec.Struct, frozen=True, gc=False):
    """From here on another model answers, because the one before it could not.

    `restarted`: that one had begun, and what is written so far is not a part of the answer any more.
    """

    model_id: str
    model_name: str
    instead_of: str
    restarted: bool


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The last event of every answer that was not an error."""

    reason: FinishReason
    usage: Usage


Event: TypeAlias = (
    TextDelta | ReasoningDelta | ToolCall | ToolOutput | ApprovalRequest | NextStep | Status | ModelChanged | Finished
)


class Image(msgspec.Struct, frozen=True, gc=False):
    """A picture in a question. `media_type` is what its bytes are: image/png, image/jpeg, image/gif or image/webp."""

    media_type: str
    data: bytes


class PromptMessage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One turn. The role set is closed here because servers accept any word and answer nonsense.

    `images` belong to a user's turn, `tool_calls` to an assistant's. A `tool` turn is the result of one call of the
    assistant's turn before it: `tool_call_id` and `tool_name` say of which.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""

    @property
    def is_plain(self) -> bool:
        """Nothing but a role and words: every wire format writes these alike."""
        return self.role != "tool" and not self.images and not self.tool_calls


class Tool(msgspec.Struct, frozen=True):
    """A function that the language model may ask for. `parameters` is the JSON schema of its arguments, an object's."""

    name: str
    description: str
    parameters: dict[str, Any]


class GenerationOptions(msgspec.Struct, frozen=True):
    """How to generate. None leaves the server's own default, except `max_output_tokens`, which is always bounded.

    `thinking` False asks for no reasoning before the answer, where the server can be told so; elsewhere it is ignored.
    `json_schema` makes the answer JSON that fits the schema; an empty one, any JSON. `keep_alive` is how long the
    server keeps the model loaded after the answer: seconds, or a span such as "10m"; only Ollama knows it.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool | None = None
    json_schema: dict[str, Any] | None = None
    keep_alive: str | int | None = None


class PromptRequest(msgspec.Struct, frozen=True):
    """What to answer, with the tools that may be asked for.

    `model` is the model's name on its own server and `context_window` its size in tokens; the router sets both from
    the offered model, so a caller may leave the second out.
    """

    model: str
    messages: tuple[PromptMessage, ...]
    options: GenerationOptions = GenerationOptions()
    context_window: int | None = None
    tools: tuple[Tool, ...] = ()
