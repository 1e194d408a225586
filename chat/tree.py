"""The tree of messages. Pure: no database, no clock."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.types import Message
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
