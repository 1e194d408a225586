"""Conversations of a ChatGPT export: the objects of its `conversations.json`. Pure.

Each has a `mapping` of nodes with a parent, and `current_node`, the end of the branch shown. What people saw is kept:
questions and answers. Instructions of the system, tools and their output, and hidden messages are passed over, and what
hangs on them hangs on what is before them.
"""

import hashlib
import math
from datetime import UTC, datetime
from typing import Any, Final

from chat.imports.talks import LONGEST_TEXT, MOST_MESSAGES, Node, NotAConversation, Talk
from chat.types import Role

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT}
_LATEST_S: Final = 2**32


def talk_of(value: Any) -> Talk:
    """The conversation in one object of the export.

    Raises:
        NotAConversation: it is none.
    """
    mapping = value.get("mapping") if isinstance(value, dict) else None
    if not isinstance(mapping, dict):
        raise NotAConversation("It has no messages that ChatGPT's export would have.")
    if len(mapping) > MOST_MESSAGES:
        raise NotAConversation(f"It has more than {MOST_MESSAGES:,} messages.")
    source = value.get("conversation_id") or value.get("id")
    if not isinstance(source, str):
        source = hashlib.sha256(repr(sorted(mapping)).encode("utf-8", "replace")).hexdigest()
    current = value.get("current_node")
    title = value.get("title")
    return Talk(
        source=f"chatgpt:{source}",
        title=clean(title).strip() if isinstance(title, str) else "",
        archived=value.get("is_archived") is True,
        created_at=_time(value.get("create_time")),
        updated_at=_time(value.get("update_time")),
        leaf=current if isinstance(current, str) else None,
        nodes=[_node(key, node) for key, node in mapping.items() if isinstance(node, dict)],
    )


def clean(text: str) -> str:
    """The text as it can be stored: what is no character (half of a pair, zero) becomes the sign for that."""
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _node(key: str, node: dict[str, Any]) -> Node:
    parent = node.get("parent")
    message = node.get("message")
    message = message if isinstance(message, dict) else {}
    author, metadata = message.get("author"), message.get("metadata")
    role = _ROLES.get(str(author.get("role"))) if isinstance(author, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    hidden = metadata.get("is_visually_hidden_from_conversation") is True or message.get("recipient", "all") != "all"
    text = "" if role is None or hidden else clean(_text(message.get("content")))[:LONGEST_TEXT]
    model = metadata.get("model_slug")
    return Node(
        key=key,
        parent=parent if isinstance(parent, str) else None,
        role=role or Role.USER,
        parts=[{"type": "text", "text": text}],
        kept=bool(text.strip()),
        model=clean(model)[:200] if role is Role.ASSISTANT and isinstance(model, str) else "",
        created_at=_time(message.get("create_time")),
    )


def _text(content: Any) -> str:
    """What a message says. A picture or a recording is named, not kept: its file is not in the export's JSON."""
    if not isinstance(content, dict):
        return ""
    kind, parts = content.get("content_type"), content.get("parts")
    if kind == "code" and isinstance(content.get("text"), str):
        return f"```\n{content['text']}\n```"
    if kind not in ("text", "multimodal_text") or not isinstance(parts, list):
        return ""
    said = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            said.append(part["text"])
        elif isinstance(part, dict):
            said.append("[image]" if "image" in str(part.get("content_type", "")) else "[attachment]")
    return "\n\n".join(piece for piece in said if piece)


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return datetime.fromtimestamp(value, UTC) if 0 < value < _LATEST_S else None
