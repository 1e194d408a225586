"""Conversations of a file, one after the other into a user's account; nothing twice, and nothing half.

A conversation that was imported before is left as it is. One whose import was cut off is written again with the same
ids, messages first, and is seen only when all of it is there.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from msgspec.structs import replace

from chat import store
from chat.imports import chatgpt, own
from chat.imports.splitting import objects_in
from chat.imports.talks import NotAConversation, Talk, import_key, imported
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId


class Result(StrEnum):
    """What became of a conversation."""

    ADDED = "added"
    KNOWN = "known"
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What became of the file's conversation of this number, from 1; `sentence` says why it was refused."""

    number: int
    result: Result
    sentence: str = ""


async def import_conversations(
    owner: UserId, pieces: Iterable[bytes], *, at: datetime
) -> AsyncGenerator[Outcome, None]:
    """Import a ChatGPT export's `conversations.json` or our own export, alone or several in a list.

    Memory holds one conversation. `at` is the time of the file, for what has none of its own: with the same one, a
    repeated import makes the same ids.
    """
    for number, raw in enumerate(objects_in(pieces), 1):
        yield await outcome_of(number, raw, owner, at=at)


async def outcome_of(number: int, raw: bytes | None, owner: UserId, *, at: datetime) -> Outcome:
    """Import the file's object of this number; None stands for one that was too long or cut off.

    It is read in a thread: a long one would hold up everybody's answers.
    """
    if raw is None:
        return Outcome(number, Result.REFUSED, "It is too long, or the file ends in the middle of it.")
    try:
        talk = await asyncio.to_thread(talk_of, raw)
        if await store.is_imported(owner, import_key(talk.source)):
            return Outcome(number, Result.KNOWN)
        conversation, messages = await asyncio.to_thread(imported, talk, owner, at=at)
    except NotAConversation as refusal:
        return Outcome(number, Result.REFUSED, str(refusal))
    # A time that is yet to come would keep it from retention, and above all that is gone on with.
    conversation = replace(conversation, updated_at=min(conversation.updated_at, now()))
    added = await store.add_imported(conversation, messages)
    return Outcome(number, Result.ADDED if added else Result.KNOWN)


def talk_of(raw: bytes) -> Talk:
    """The conversation in one object of a file.

    Raises:
        NotAConversation: it is none, or not even JSON.
    """
    value = _parsed(raw)
    return own.talk_of(value) if "format" in value else chatgpt.talk_of(value)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Half of a pair (an emoji cut in two) is no error to everybody who writes JSON.
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise NotAConversation("It is not JSON.") from None
    if not isinstance(value, dict):
        raise NotAConversation("It is not a JSON object.")
    return value
