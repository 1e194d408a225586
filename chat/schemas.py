"""What travels over HTTP: the shapes of requests, which are checked, and of answers, which are documented.

Answers are dicts that orjson writes, since validating our own values costs more than making them. The fuzzer in
tests/test_openapi.py compares them with their schemas.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import orjson
from ninja import Schema
from pydantic import Field, StringConstraints, ValidationError, field_validator

from chat.asking import OnBusy
from chat.tree import Place
from chat.types import Conversation, Message, MessageStatus, Role, Run, RunStatus
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import A_NUMBER, Body, Flag
from eloquent.foundation.json_values import is_storable
from inference.types import GenerationOptions

LONGEST_TEXT: Final = 32_000
MOST_PARTS: Final = 32
LONGEST_TITLE: Final = 200
LONGEST_SYSTEM_PROMPT: Final = 8_000
LONGEST_MODEL_ID: Final = 200
LONGEST_TOOL_NAME: Final = 64
MOST_TOOLS: Final = 64
LARGEST_OUTPUT_SCHEMA: Final = 16_000
DEEPEST_OUTPUT_SCHEMA: Final = 32

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TITLE)]
SystemPrompt = Annotated[str, StringConstraints(max_length=LONGEST_SYSTEM_PROMPT)]
ModelId = Annotated[str, StringConstraints(max_length=LONGEST_MODEL_ID)]


# The default of a field that may be left out and may not be null.
_LEFT_OUT: Final[Any] = None


class NewConversation(Body):
    """A new conversation. Without a title it gets one from its first message; without a model, the default one."""

    title: Title | Literal[""] = ""
    model: ModelId = ""
    system_prompt: SystemPrompt = ""


class ConversationChanges(Body):
    """What to change; fields that are left out stay."""

    title: Title = _LEFT_OUT
    model: ModelId = _LEFT_OUT
    system_prompt: SystemPrompt = _LEFT_OUT
    pinned: Flag = _LEFT_OUT
    archived: Flag = _LEFT_OUT


class TextPartIn(Body):
    """A piece of text."""

    type: Literal["text"]
    text: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class FilePartIn(Body):
    """A file that was uploaded (`POST /attachments`), by its id."""

    type: Literal["file"]
    id: ObjectIdField


PartsIn = Annotated[
    list[Annotated[TextPartIn | FilePartIn, Field(discriminator="type")]], Field(min_length=1, max_length=MOST_PARTS)
]


ToolNames = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TOOL_NAME)]], Field(max_length=MOST_TOOLS)
]


class OptionsIn(Body):
    """How to generate. What is left out is the server's default.

    `thinking` says whether to reason first, where the model can. With `output_schema` the answer is JSON that fits it;
    with an empty one, any JSON.
    """

    temperature: Annotated[float, Field(ge=0, le=2), A_NUMBER] | None = None
    top_p: Annotated[float, Field(gt=0, le=1), A_NUMBER] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=100_000), A_NUMBER] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31), A_NUMBER] | None = None
    stop: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = Field(default=[], max_length=8)
    thinking: Flag | None = None
    output_schema: dict[str, Any] | None = None

    @field_validator("output_schema")
    @classmethod
    def _bounded(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is None:
            return None
        if not is_storable(schema, levels=DEEPEST_OUTPUT_SCHEMA):
            raise ValueError(f"at most {DEEPEST_OUTPUT_SCHEMA} levels deep, and integers of 64 bits")
        if len(orjson.dumps(schema)) > LARGEST_OUTPUT_SCHEMA:
            raise ValueError(f"at most {LARGEST_OUTPUT_SCHEMA} bytes of JSON")
        return schema


class Asked(Body):
    """What may be said wherever an answer is asked for. `on_busy`: what to do while one is being written there.

    `tools` names what the language model may call (`GET /tools`); none with an empty list, those of the settings
    without it.
    """

    model: ModelId = ""
    options: OptionsIn = OptionsIn()
    tools: ToolNames | None = None
    on_busy: OnBusy = OnBusy.CONFLICT


class NewRun(Asked):
    """One new message. `parent_id` is the answer it goes on from: the branch shown without it, a new root with null."""

    parts: PartsIn
    parent_id: ObjectIdField | None = None


def options_from(options: Any) -> GenerationOptions:
    """The options in a JSON object.

    Raises:
        InvalidInput: a name or value that is not allowed.
    """
    try:
        return generation_options(OptionsIn.model_validate(options))
    except ValidationError as error:
        errors = [{"loc": ["options", *map(str, entry["loc"])], "msg": entry["msg"]} for entry in error.errors()]
        raise InvalidInput(errors=errors) from None


def generation_options(options: OptionsIn) -> GenerationOptions:
    """The checked options as inference takes them."""
    return GenerationOptions(
        temperature=options.temperature,
        top_p=options.top_p,
        max_output_tokens=options.max_output_tokens,
        seed=options.seed,
        stop=tuple(options.stop),
        thinking=options.thinking,
        json_schema=options.output_schema,
    )


class ConversationOut(Schema):
    """A conversation. `leaf_id` is the last message of the branch shown, null while it is empty."""

    id: ObjectIdField
    title: str
    model: str
    system_prompt: str
    pinned: bool
    archived: bool
    leaf_id: ObjectIdField | None
    message_count: int
    created_at: datetime
    updated_at: datetime


class ConversationPage(Schema):
    """Conversations: pinned first, then the latest changed first."""

    items: list[ConversationOut]
    next_cursor: str | None


class PlaceOut(Schema):
    """Where a message stands among its siblings: `index` of `count`, from 0, and who stands before and behind it."""

    count: int
    index: int
    previous_id: ObjectIdField | None
    next_id: ObjectIdField | None


class ContextOut(Schema):
    """What the language model was shown for an answer; `used` and `limit` are estimated tokens.

    `dropped` messages before `kept_from` were left out, and older ones, which were not even read, when `more_dropped`
    is true. `truncated_by_provider`: by its own count, the language model's server left out more.
    """

    used: int
    limit: int
    dropped: int
    kept_from: ObjectIdField
    more_dropped: bool
    truncated_by_provider: bool


class FeedbackOut(Schema):
    """What the user thinks of an answer."""

    rating: Literal["up", "down"] | None
    comment: str


class MessageOut(Schema):
    """A message. One whose status is `streaming` belongs to a run at work: leave it out and resume the run.

    `siblings` is null where it was not asked for, `feedback` while there is none, `context` for what is no answer.
    """

    id: ObjectIdField
    conversation_id: ObjectIdField
    parent_id: ObjectIdField | None
    role: Role
    parts: list[dict[str, Any]]
    status: MessageStatus
    run_id: ObjectIdField | None
    model: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    context: ContextOut | None
    feedback: FeedbackOut | None
    siblings: PlaceOut | None
    created_at: datetime


class MessagePage(Schema):
    """A window of a branch, oldest first; `next_cursor` leads to the older ones."""

    items: list[MessageOut]
    next_cursor: str | None


class RunOut(Schema):
    """A run. `message_id` is its answer, `user_message_id` what it answers."""

    id: ObjectIdField
    conversation_id: ObjectIdField
    user_message_id: ObjectIdField
    message_id: ObjectIdField
    model: str
    provider: str
    status: RunStatus
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    finished_at: datetime | None


def conversation_out(conversation: Conversation) -> dict[str, Any]:
    """A `ConversationOut`."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "model": conversation.model,
        "system_prompt": conversation.system_prompt,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "leaf_id": conversation.leaf_id and str(conversation.leaf_id),
        "message_count": conversation.message_count,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def message_out(message: Message, place: Place | None = None) -> dict[str, Any]:
    """A `MessageOut`, with the message's place among its siblings where that was asked for."""
    return {
        "id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "parent_id": message.parent_id and str(message.parent_id),
        "role": message.role,
        "parts": message.parts,
        "status": message.status,
        "run_id": message.run_id and str(message.run_id),
        "model": message.model,
        "usage": message.usage,
        "error": message.error,
        "context": message.context,
        "feedback": message.feedback,
        "siblings": place and _place_out(place),
        "created_at": message.created_at,
    }


def _place_out(place: Place) -> dict[str, Any]:
    return {
        "count": place.count,
        "index": place.index,
        "previous_id": place.previous_id and str(place.previous_id),
        "next_id": place.next_id and str(place.next_id),
    }


def run_out(run: Run) -> dict[str, Any]:
    """A `RunOut`."""
    return {
        "id": str(run.id),
        "conversation_id": str(run.conversation_id),
        "user_message_id": str(run.user_message_id),
        "message_id": str(run.message_id),
        "model": run.model,
        "provider": run.provider,
        "status": run.status,
        "usage": run.usage,
        "error": run.error,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "first_token_at": run.first_token_at,
        "finished_at": run.finished_at,
    }


def page_out(items: Sequence[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    """A page of a list."""
    return {"items": items, "next_cursor": next_cursor}
