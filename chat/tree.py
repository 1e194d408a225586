"""The tree of messages. Pure: no database, no clock."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from chat.types import Link, Message
    from eloquent.foundation.ids import MessageId


def path_up(
    found: "Mapping[MessageId, Message]", leaf_id: "MessageId", limit: int
) -> "tuple[list[Message], MessageId | None]":
    """Walk from the leaf towards the root through the messages found.

    Returns:
        At most `limit` messages, oldest first, and the id of the first ancestor that was wanted and not among those
        found (None when the walk reached the root or the limit).
    """
    path: list[Message] = []
    at: MessageId | None = leaf_id
    while at is not None and len(path) < limit:
        message = found.get(at)
        if message is None:
            path.reverse()
            return path, at
        path.append(message)
        at = message.parent_id
    path.reverse()
    return path, None


class Place(msgspec.Struct, frozen=True):
    """Where a message stands among its siblings: `index` of `count`, from 0, and who stands before and behind it."""

    count: int
    index: int
    previous_id: "MessageId | None"
    next_id: "MessageId | None"


def places(path: "Iterable[MessageId]", links: "Iterable[Link]") -> "dict[MessageId, Place]":
    """The places of the messages, by the links of all their siblings, in order of ids.

    A message that the links do not have is left out: it was deleted meanwhile.
    """
    beside: dict[MessageId | None, list[MessageId]] = {}
    parents: dict[MessageId, MessageId | None] = {}
    for message_id, parent_id in links:
        beside.setdefault(parent_id, []).append(message_id)
        parents[message_id] = parent_id
    found = {}
    for message_id in path:
        if message_id in parents:
            siblings = beside[parents[message_id]]
            index = bisect_left(siblings, message_id)
            found[message_id] = Place(
                count=len(siblings),
                index=index,
                previous_id=siblings[index - 1] if index else None,
                next_id=siblings[index + 1] if index + 1 < len(siblings) else None,
            )
    return found


def newest_leaf(message_id: "MessageId", links: "Iterable[Link]") -> "MessageId":
    """The newest message below this one, which is a leaf since children are newer than parents; itself without any.

    `links` are in order of the parents' ids, as `store.links_below` has them: a parent's own link comes before those
    of its children.
    """
    below = {message_id}
    newest = message_id
    for child_id, parent_id in links:
        if parent_id in below:
            below.add(child_id)
            newest = max(newest, child_id)
    return newest


def child_on_the_way_to(
    leaf_id: "MessageId | None", parent_id: "MessageId | None", links: "Iterable[Link]"
) -> "MessageId | None":
    """The child of `parent_id` (None: the root) on the branch that ends at the leaf; None when no child is on it."""
    parents = dict(links)
    at = leaf_id
    while at is not None and at in parents:
        if parents[at] == parent_id:
            return at
        at = parents[at]
    return None
