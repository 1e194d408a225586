"""The format `eloquent.conversation/1`: a conversation with all its branches as one JSON object.

Its version changes when what is there changes its meaning; a reader passes over fields that it does not know.
"""

from datetime import datetime
from typing import Any, Final, Literal

from ninja import Schema

from chat.types import Conversation, Message, MessageStatus, Role
from eloquent.foundation.ids import ObjectIdField

FORMAT: Final = "eloquent.conversation/1"


class ExportedConversation(Schema):
    """The conversation. `leaf_id` is the last message of the branch shown, null while it is empty."""

    id: ObjectIdField
    title: str
    model: str
    system_prompt: str
    pinned: bool
    archived: bool
    leaf_id: ObjectIdField | None
    created_at: datetime
    updated_at: datetime


class ExportedMessage(Schema):
    """A message. `parent_id` is null for the first of a branch; `parts` are UIMessage parts."""

    id: ObjectIdField
    parent_id: ObjectIdField | None
    role: Role
    parts: list[dict[str, Any]]
    status: MessageStatus
    model: str
    usage: dict[str, Any] | None
    error: dict[str, Any] | None
    context: dict[str, Any] | None
    feedback: dict[str, Any] | None
    created_at: datetime


class ConversationFile(Schema):
    """A conversation with the messages of all its branches, each behind its parent.

    A message whose status is `streaming` was still being written: it has the text so far.
    """

    format: Literal["eloquent.conversation/1"]
    exported_at: datetime
    conversation: ExportedConversation
    messages: list[ExportedMessage]


def exported_conversation(conversation: Conversation) -> dict[str, Any]:
    """An `ExportedConversation`."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "model": conversation.model,
        "system_prompt": conversation.system_prompt,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "leaf_id": conversation.leaf_id and str(conversation.leaf_id),
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def exported_message(message: Message) -> dict[str, Any]:
    """An `ExportedMessage`."""
    return {
        "id": str(message.id),
        "parent_id": message.parent_id and str(message.parent_id),
        "role": message.role,
        "parts": message.parts,
        "status": message.status,
        "model": message.model,
        "usage": message.usage,
        "error": message.error,
        "context": message.context,
        "feedback": message.feedback,
        "created_at": message.created_at,
    }
