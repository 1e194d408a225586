"""A conversation from elsewhere, as a tree that can be trusted. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from bson import ObjectId

from chat.types import Conversation, Message, MessageStatus, Role
from eloquent.foundation.ids import MessageId, UserId

MOST_MESSAGES: Final = 50_000
LONGEST_TITLE: Final = 200
LONGEST_TEXT: Final = 1_000_000
# In 2096; an id's seconds end ten years later, and what is said then has to come behind.
_LATEST_S: Final = 4_000_000_000


class NotAConversation(Exception):
    """This cannot be imported; the words say why, to the user."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A message from elsewhere; one that is not `kept` is only a link between its parent and its children."""

    key: str
    parent: str | None
    role: Role
    parts: list[dict[str, Any]]
    kept: bool = True
    status: MessageStatus = MessageStatus.COMPLETE
    model: str = ""
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    feedback: dict[str, Any] | None = None
    created_at: datetime | None = None


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation from elsewhere. `source` names it among all there are; `leaf` is the end of the branch shown."""

    source: str
    title: str
    model: str = ""
    system_prompt: str = ""
    pinned: bool = False
    archived: bool = False
    created_at: datetime | None
    updated_at: datetime | None
    leaf: str | None
    nodes: list[Node]


def import_key(source: str) -> str:
    """What an imported conversation is known by, unique among the user's."""
    return hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:40]


def imported(talk: Talk, owner: UserId, *, at: datetime) -> tuple[Conversation, list[Message]]:
    """The conversation and its messages, parents first. `at` stands for times that are not known.

    All ids are made from the owner, the source and the order of the tree: made again they are the same, so an import
    that was cut off is simply done again. A child's id sorts after its parent's.

    Raises:
        NotAConversation: there are too many messages, or none.
    """
    nodes = _in_order(talk.nodes)
    if not any(node.kept for node in nodes):
        raise NotAConversation("It has no messages.")
    key = import_key(talk.source)
    mark = hashlib.sha256(owner.binary + key.encode()).digest()
    begun = _moment(talk.created_at, at)
    conversation_id = ObjectId(_seconds(begun) + mark[:8])
    messages: dict[MessageId, Message] = {}
    ids: dict[str | None, MessageId | None] = {None: None}
    for number, node in enumerate(nodes):
        parent_id = ids.get(node.parent)
        if not node.kept:
            ids[node.key] = parent_id  # its children go on from its parent
            continue
        parent = messages[parent_id] if parent_id is not None else None
        created_at = _moment(node.created_at, parent.created_at if parent else begun)
        seconds = _seconds(created_at) if parent is None else max(_seconds(created_at), parent.id.binary[:4])
        message_id = ids[node.key] = ObjectId(seconds + mark[8:13] + number.to_bytes(3, "big"))
        messages[message_id] = Message(
            id=message_id,
            conversation_id=conversation_id,
            user_id=owner,
            parent_id=parent_id,
            role=node.role,
            parts=node.parts,
            text=("" if node.role is Role.ASSISTANT else "\n\n").join(
                part["text"] for part in node.parts if part["type"] == "text"
            ),
            status=node.status,
            model=node.model,
            usage=node.usage,
            error=node.error,
            context=node.context,
            feedback=node.feedback,
            created_at=created_at,
        )
    conversation = Conversation(
        id=conversation_id,
        user_id=owner,
        title=talk.title[:LONGEST_TITLE],
        model=talk.model,
        system_prompt=talk.system_prompt,
        pinned=talk.pinned,
        archived=talk.archived,
        leaf_id=ids.get(talk.leaf) or max(messages),
        message_count=len(messages),
        import_key=key,
        imported_at=at,
        created_at=begun,
        updated_at=max(begun, _moment(talk.updated_at, begun)),
    )
    return conversation, list(messages.values())


def _in_order(nodes: Iterable[Node]) -> list[Node]:
    """The nodes, parents first. One without its parent begins a branch, and so does one of a ring."""
    known: dict[str, Node] = {}
    for node in nodes:
        known.setdefault(node.key, node)
    if len(known) > MOST_MESSAGES:
        raise NotAConversation(f"It has more than {MOST_MESSAGES:,} messages.")
    children: dict[str | None, list[Node]] = defaultdict(list)
    for node in known.values():
        children[node.parent if node.parent in known else None].append(node)
    ordered: dict[str, Node] = {}
    for first in [*children[None], *known.values()]:
        waiting = [first]
        while waiting:
            node = waiting.pop()
            if node.key not in ordered:
                ordered[node.key] = node if node.parent in ordered else msgspec.structs.replace(node, parent=None)
                waiting += reversed(children[node.key])
    return list(ordered.values())


def _moment(time: datetime | None, otherwise: datetime) -> datetime:
    if time is not None and time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    if time is None or not 0 <= time.timestamp() <= _LATEST_S:
        return otherwise
    return time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000)


def _seconds(at: datetime) -> bytes:
    return int(at.timestamp()).to_bytes(4, "big")
