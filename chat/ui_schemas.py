"""The AI SDK's shapes over HTTP: what is posted, UIMessages, and how a stop is asked for."""

from typing import Any, Final

from ninja import Schema
from pydantic import Field

from chat.conversations import BranchWindow
from chat.types import Conversation, Message, MessageStatus, Role
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Body


class UIStop(Body):
    """Which run to stop. Without one, the one that is running."""

    run_id: ObjectIdField | None = Field(
        default=None, alias="runId", description="from the `start` chunk's metadata, or the header `X-Run-Id`"
    )


class UIMessageOut(Schema):
    """A UIMessage of the AI SDK. The id is ours; `metadata` says what the stream's metadata says of an answer."""

    id: ObjectIdField
    role: Role
    parts: list[dict[str, Any]]
    metadata: dict[str, Any]


class UIChatOut(Schema):
    """A window of a chat for `useChat`, oldest first. `active_run_id` is of the answer to resume, null for none."""

    conversation_id: ObjectIdField
    active_run_id: ObjectIdField | None
    messages: list[UIMessageOut]
    next_cursor: str | None


_POSTED_MESSAGE: Final[dict[str, Any]] = {
    "description": "A UIMessage. Of the last one the role, the id, and the parts of type text and file are read. A "
    "file's `url` is an address of an attachment, or `attachment:<id>`; nothing else is taken, and nothing is fetched.",
    "type": "object",
    "required": ["role", "parts"],
    "properties": {
        "id": {"type": "string"},
        "role": {"type": "string", "enum": ["system", "user", "assistant"]},
        "parts": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    },
    "additionalProperties": True,
}

# What `ui_send` takes, for the OpenAPI document: it is read without pydantic (chat.posting), which would parse it all.
POSTED_DOC: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "example": {
                "id": "k3fZ0pQbXv7LmN2a",
                "trigger": "submit-message",
                "messages": [
                    {
                        "id": "Yx81nRc0uWq4TzHs",
                        "role": "user",
                        "parts": [{"type": "text", "text": "How long does tea take?"}],
                    }
                ],
            },
            "schema": {
                "title": "UIPost",
                "description": "What the AI SDK's DefaultChatTransport posts, with our additions. Other fields are "
                "passed over. Give `messages` or `message`; only the last message is read.",
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 64,
                        "pattern": "^[A-Za-z0-9_-]{1,64}$",
                        "description": "the conversation's id, or the client's own name for it",
                    },
                    "trigger": {
                        "type": "string",
                        "enum": ["submit-message", "regenerate-message"],
                        "description": "submit-message without it",
                    },
                    "messageId": {
                        "type": ["string", "null"],
                        "maxLength": 64,
                        "description": "the user's message that was edited, or the answer to make anew",
                    },
                    "messages": {"type": "array", "items": _POSTED_MESSAGE},
                    "message": {"anyOf": [_POSTED_MESSAGE, {"type": "null"}]},
                    "parentId": {
                        "type": ["string", "null"],
                        "pattern": "^[0-9a-f]{24}$",
                        "description": "the answer to go on from: the branch shown without it, a new beginning with "
                        "null",
                    },
                    "model": {"type": ["string", "null"], "maxLength": 200},
                    "options": {"anyOf": [{"$ref": "#/components/schemas/OptionsIn"}, {"type": "null"}]},
                    "tools": {
                        "type": ["array", "null"],
                        "items": {"type": "string", "minLength": 1, "maxLength": 64},
                        "maxItems": 64,
                        "description": "names of the tools that the language model may call",
                    },
                    "onBusy": {
                        "type": ["string", "null"],
                        "enum": ["conflict", "sibling", None],
                        "description": "what to do where an answer is being written: 409, or a branch beside it",
                    },
                },
            },
        }
    },
}


def ui_messages_out(conversation: Conversation, window: BranchWindow) -> dict[str, Any]:
    """A `UIChatOut`."""
    written = [message for message in window.items if message.status is MessageStatus.STREAMING]
    return {
        "conversation_id": str(conversation.id),
        "active_run_id": str(written[-1].run_id) if written else None,
        "messages": [_ui_message(message) for message in window.items if message.status is not MessageStatus.STREAMING],
        "next_cursor": window.next_cursor,
    }


def _ui_message(message: Message) -> dict[str, Any]:
    # The AI SDK refuses a message without parts, as an answer is that was stopped before its first word.
    parts = message.parts or [{"type": "text", "text": ""}]
    metadata: dict[str, Any] = {"createdAt": message.created_at}
    if message.role is Role.ASSISTANT:
        metadata |= {
            "status": message.status,
            "runId": message.run_id and str(message.run_id),
            "userMessageId": message.parent_id and str(message.parent_id),
            "model": message.model,
        }
        metadata |= {name: value for name, value in (("usage", message.usage), ("error", message.error)) if value}
    return {"id": str(message.id), "role": message.role, "parts": parts, "metadata": metadata}
