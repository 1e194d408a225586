"""The chunks that we send, as the OpenAPI document describes them. `chat.chunks` makes them; a test compares the two.

The AI SDK's own list is longer (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol). A client should pass over types of
`data-*` that it does not know.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from eloquent.foundation.ids import ObjectIdField
from inference.types import FinishReason


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartChunk(_Strict):
    """The first chunk. In a replay it has the same `messageId`: begin the message anew.

    The stream of an answer that goes on has none.
    """

    type: Literal["start"]
    messageId: ObjectIdField  # noqa: N815 - the AI SDK's name
    messageMetadata: dict[str, Any]  # noqa: N815 - as above


class StartStepChunk(_Strict):
    """The language model is called."""

    type: Literal["start-step"]


class FinishStepChunk(_Strict):
    """The language model has ended."""

    type: Literal["finish-step"]


class ResetStepChunk(_Strict):
    """What was written since the step began is void: another language model begins anew. To profile 7 alone."""

    type: Literal["reset-step"]


class PartStartChunk(_Strict):
    """A part of the answer opens."""

    type: Literal["text-start", "reasoning-start"]
    id: str


class PartDeltaChunk(_Strict):
    """More of an open part."""

    type: Literal["text-delta", "reasoning-delta"]
    id: str
    delta: str


class PartEndChunk(_Strict):
    """A part closes."""

    type: Literal["text-end", "reasoning-end"]
    id: str


class ToolInputChunk(_Strict):
    """A whole tool call. `input` is text where it was no JSON."""

    type: Literal["tool-input-available"]
    toolCallId: str  # noqa: N815 - the AI SDK's name
    toolName: str  # noqa: N815 - as above
    input: Any
    dynamic: Literal[True]


class ToolOutputChunk(_Strict):
    """What a tool said."""

    type: Literal["tool-output-available"]
    toolCallId: str  # noqa: N815 - the AI SDK's name
    output: Any
    dynamic: Literal[True]


class ToolErrorChunk(_Strict):
    """A tool could not do what it was asked; the answer goes on."""

    type: Literal["tool-output-error"]
    toolCallId: str  # noqa: N815 - the AI SDK's name
    errorText: str  # noqa: N815 - as above
    dynamic: Literal[True]


class ToolApprovalChunk(_Strict):
    """A tool call waits for the user's agreement: the answer ends here, and goes on when it is decided about.

    Not to profile 5.
    """

    type: Literal["tool-approval-request"]
    approvalId: str  # noqa: N815 - the AI SDK's name
    toolCallId: str  # noqa: N815 - as above


class ToolDeniedChunk(_Strict):
    """The user did not agree to a tool call: it was not made. To profile 5 it is a `tool-output-error`."""

    type: Literal["tool-output-denied"]
    toolCallId: str  # noqa: N815 - the AI SDK's name


class TitleValue(_Strict):
    """The conversation's new title."""

    title: str


class TitleChunk(_Strict):
    """The conversation has a title."""

    type: Literal["data-title"]
    data: TitleValue
    transient: Literal[True]


class StatusValue(_Strict):
    """What a silent language model is doing, `elapsed_s` seconds after the answer began.

    An answer that waits for a free slot of the model's server has a `position` among those who wait, from 1, and, once
    that can be guessed, `eta_s`: in how many seconds it is likely to have its turn.
    """

    state: Literal["queued", "loading"]
    elapsed_s: float
    # May be absent, and are never null.
    position: int = Field(default=None, ge=1, json_schema_extra=_without_default)  # type: ignore[assignment]
    eta_s: float = Field(default=None, ge=0, json_schema_extra=_without_default)  # type: ignore[assignment]


class StatusChunk(_Strict):
    """Nothing is written yet, and why."""

    type: Literal["data-status"]
    data: StatusValue
    transient: Literal[True]


class ContextValue(_Strict):
    """What the language model is shown; `used` and `limit` are estimated tokens. See `ContextOut`.

    `truncated_by_provider` is known at the end, so only a stream that is played again has it.
    """

    used: int
    limit: int
    dropped: int
    kept_from: ObjectIdField
    more_dropped: bool
    truncated_by_provider: bool = False


class ContextChunk(_Strict):
    """How much of its window the language model is shown."""

    type: Literal["data-context"]
    data: ContextValue
    transient: Literal[True]


class NoticeValue(_Strict):
    """A word for programs and a sentence for people."""

    code: str
    detail: str


class NoticeChunk(_Strict):
    """Something that the reader should know and that is no failure; a part of the message unless it is transient."""

    type: Literal["data-notice"]
    data: NoticeValue
    transient: Literal[True] = True


class ErrorChunk(_Strict):
    """The answer failed. What was written before is kept."""

    type: Literal["error"]
    errorText: str  # noqa: N815 - the AI SDK's name


class AbortChunk(_Strict):
    """The answer was stopped. What was written before is kept."""

    type: Literal["abort"]


class MetadataChunk(_Strict):
    """More metadata. The stream of an answer that goes on begins with it: its message has begun.

    An empty one says nothing: in a replay it stands for a chunk whose words are in another's text.
    """

    type: Literal["message-metadata"]
    messageMetadata: dict[str, Any]  # noqa: N815 - as the AI SDK spells it


class FinishChunk(_Strict):
    """The answer is whole. Without `finishReason` for profile 5."""

    type: Literal["finish"]
    # May be absent, and is never null.
    finishReason: FinishReason = Field(default=None, json_schema_extra=_without_default)  # type: ignore[assignment]  # noqa: N815
    messageMetadata: dict[str, Any]  # noqa: N815 - as above


UIMessageChunk: TypeAlias = Annotated[
    StartChunk
    | StartStepChunk
    | ResetStepChunk
    | PartStartChunk
    | PartDeltaChunk
    | PartEndChunk
    | ToolInputChunk
    | ToolOutputChunk
    | ToolErrorChunk
    | ToolApprovalChunk
    | ToolDeniedChunk
    | TitleChunk
    | StatusChunk
    | ContextChunk
    | NoticeChunk
    | MetadataChunk
    | FinishStepChunk
    | FinishChunk
    | AbortChunk
    | ErrorChunk,
    Field(discriminator="type"),
]
UI_MESSAGE_CHUNK: Final[TypeAdapter[UIMessageChunk]] = TypeAdapter(UIMessageChunk)


# As OpenAPI 3.2 describes the events of a stream, which 3.1 has no word for.
_EVENT: Final[dict[str, Any]] = {
    "title": "UIMessageEvent",
    "description": "One event of an answer's stream. The last one's data is `[DONE]`; comments keep the line alive.",
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "the chunk's position, from 0; in a replay the last one's alone",
        },
        "data": {
            "anyOf": [
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {"$ref": "#/components/schemas/UIMessageChunk"},
                    "description": "a `UIMessageChunk` as JSON",
                },
                {"type": "string", "const": "[DONE]"},
            ]
        },
    },
}


def stream_schemas() -> dict[str, dict[str, Any]]:
    """`UIMessageEvent`, `UIMessageChunk` and what that is made of, for the document's components."""
    union = UI_MESSAGE_CHUNK.json_schema(ref_template="#/components/schemas/{model}", mode="validation")
    parts: dict[str, dict[str, Any]] = union.pop("$defs")
    chunk = {"title": "UIMessageChunk", "description": "A piece of an answer.", **union}
    return {"UIMessageEvent": _EVENT, "UIMessageChunk": chunk, **parts}
