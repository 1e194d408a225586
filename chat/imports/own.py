"""Conversations of our own export, format `eloquent.conversation/1`. Pure: what a file says is checked all the same."""

from typing import Any, Final

import orjson
from pydantic import ValidationError

from chat.exports.file_schemas import FORMAT, ConversationFile, ExportedMessage
from chat.imports.talks import LONGEST_TEXT, LONGEST_TITLE, Node, NotAConversation, Talk
from chat.types import MessageStatus
from eloquent.foundation.json_values import is_storable

_LONGEST_SYSTEM_PROMPT: Final = 8_000
_LONGEST_PARTS: Final = 4_000_000
_DEEPEST: Final = 64


def talk_of(value: Any) -> Talk:
    """The conversation in one file.

    Raises:
        NotAConversation: it is none, or of a version that is not known here.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise NotAConversation(f"It is not of the format {FORMAT}.")
    try:
        file = ConversationFile.model_validate(value)
    except ValidationError as error:
        place = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise NotAConversation(f"It is not as {FORMAT} has to be, first at {place[:100]}.") from None
    about = file.conversation
    return Talk(
        source=f"eloquent:{about.id}",
        title=about.title[:LONGEST_TITLE].strip(),
        model=about.model[:200],
        system_prompt=about.system_prompt[:_LONGEST_SYSTEM_PROMPT],
        pinned=about.pinned,
        archived=about.archived,
        created_at=about.created_at,
        updated_at=about.updated_at,
        leaf=about.leaf_id and str(about.leaf_id),
        nodes=[_node(message) for message in file.messages],
    )


def _node(message: ExportedMessage) -> Node:
    # Whoever wrote it is not here to go on.
    streaming = message.status is MessageStatus.STREAMING
    return Node(
        key=str(message.id),
        parent=message.parent_id and str(message.parent_id),
        role=message.role,
        parts=_parts(message.parts),
        status=MessageStatus.INTERRUPTED if streaming else message.status,
        model=message.model[:200],
        usage=_storable(message.usage),
        error=_storable(message.error),
        context=_storable(message.context),
        feedback=_storable(message.feedback),
        created_at=message.created_at,
    )


def _parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = []
    for part in parts:
        kind = part.get("type")
        if kind == "file":
            # Named, not kept: the file is not in the export, and an address is nobody's to bring along.
            kept.append({"type": "text", "text": f"[File: {str(part.get('filename') or 'without a name')[:200]}]"})
            continue
        says = kind in ("text", "reasoning")
        if not isinstance(kind, str) or _storable(part) is None or (says and not isinstance(part.get("text"), str)):
            continue
        kept.append({**part, "text": part["text"][:LONGEST_TEXT]} if says else _asking_nobody(part))
    return kept if len(orjson.dumps(kept)) <= _LONGEST_PARTS else []


def _asking_nobody(part: dict[str, Any]) -> dict[str, Any]:
    """The part; a tool's call that waited for its user is one that was not made: it cannot go on here."""
    if part.get("state") not in ("approval-requested", "approval-responded"):
        return part
    return {**{name: value for name, value in part.items() if name != "approval"}, "state": "input-available"}


def _storable(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """The value if it can be kept."""
    return value if value is not None and is_storable(value, levels=_DEEPEST) else None
