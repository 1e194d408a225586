"""A conversation as a file, written piece by piece: memory does not grow with its length.

What is exported is the conversation as it was when the export began: what is said meanwhile has later ids than the
branch shown and is found, if at all, behind its parent. A conversation that is deleted meanwhile ends the file early.
"""

from collections.abc import AsyncIterator
from typing import Final

import orjson

from chat import store
from chat.exports.file_schemas import FORMAT, exported_conversation, exported_message
from chat.exports.markdown import heading, section
from chat.types import Conversation
from eloquent.foundation.clock import now
from eloquent.foundation.ids import MessageId

MESSAGES_AT_A_TIME: Final = 50

_JSON: Final = orjson.OPT_UTC_Z


async def as_json(conversation: Conversation) -> AsyncIterator[bytes]:
    """The conversation with all its branches in the format `eloquent.conversation/1`."""
    beginning = {"format": FORMAT, "exported_at": now(), "conversation": exported_conversation(conversation)}
    yield orjson.dumps(beginning, option=_JSON)[:-1] + b',"messages":['
    after: MessageId | None = None
    while messages := await store.messages_after(
        conversation.user_id, conversation.id, after, limit=MESSAGES_AT_A_TIME
    ):
        written = b",\n".join(orjson.dumps(exported_message(message), option=_JSON) for message in messages)
        yield b",\n" + written if after is not None else written
        after = messages[-1].id
        if len(messages) < MESSAGES_AT_A_TIME:
            break
    yield b"]}\n"


async def as_markdown(conversation: Conversation) -> AsyncIterator[bytes]:
    """The branch shown, for people to read. Of the other branches only the ids pass through memory."""
    yield heading(conversation, now()).encode()
    path = await _path_shown(conversation)
    for start in range(0, len(path), MESSAGES_AT_A_TIME):
        messages = await store.messages_among(conversation.user_id, path[start : start + MESSAGES_AT_A_TIME])
        # A child's id sorts after its parent's, so this is the order of the branch.
        yield "".join(map(section, sorted(messages, key=lambda message: message.id))).encode()


async def _path_shown(conversation: Conversation) -> list[MessageId]:
    """The ids of the branch shown, oldest first."""
    if conversation.leaf_id is None:
        return []
    links = await store.links_below(conversation.user_id, conversation.id, None)
    parents = dict(links)
    path: list[MessageId] = []
    at: MessageId | None = conversation.leaf_id
    while at is not None and at in parents:
        path.append(at)
        at = parents[at]
    path.reverse()
    return path
