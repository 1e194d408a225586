"""Conversations: create, read, list, change, delete. And the one way to a conversation by its id."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from bson import ObjectId

from chat import notices, store
from chat.types import Conversation, Message, TitledBy
from eloquent.foundation import cursors
from eloquent.foundation.clock import now
from eloquent.foundation.errors import InvalidInput, NotFound
from eloquent.foundation.ids import ConversationId, UserId, parse_id


class Page(NamedTuple):
    """A page of conversations and the cursor of the next, None on the last."""

    items: list[Conversation]
    next_cursor: str | None


class BranchWindow(NamedTuple):
    """Messages of a branch, oldest first, and the cursor of the older ones, None at the beginning."""

    items: list[Message]
    next_cursor: str | None


async def conversation_of(owner: UserId, conversation_id: ConversationId) -> Conversation:
    """The owner's conversation.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    conversation = await store.find_conversation(owner, conversation_id)
    if conversation is None:
        raise _none_such()
    return conversation


async def conversation_and_branch(
    owner: UserId, conversation_id: ConversationId, *, limit: int
) -> tuple[Conversation, list[Message]]:
    """The owner's conversation and the last `limit` messages of the branch it shows, oldest first, in one read.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    shown = await store.shown_branch(owner, conversation_id, limit=limit)
    if shown is None:
        raise _none_such()
    return shown


async def create_conversation(
    owner: UserId, *, title: str = "", model: str = "", system_prompt: str = "", client_id: str | None = None
) -> Conversation:
    """A new, empty conversation.

    Raises:
        store.NameTaken: the owner has one with this `client_id`.
    """
    created_at = now()
    conversation = Conversation(
        id=ObjectId(),
        user_id=owner,
        title=title,
        model=model,
        system_prompt=system_prompt,
        pinned=False,
        archived=False,
        leaf_id=None,
        message_count=0,
        client_id=client_id,
        titled_by=TitledBy.USER if title else TitledBy.NOBODY,
        created_at=created_at,
        updated_at=created_at,
    )
    await store.add_conversation(conversation)
    notices.tell_created(conversation)
    return conversation


async def conversations_of(owner: UserId, *, archived: bool, cursor: str | None, limit: int) -> Page:
    """The owner's conversations: pinned first, then the latest changed first.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    items = await store.list_conversations(
        owner, archived=archived, after=_position(cursor) if cursor else None, limit=limit + 1
    )
    if len(items) <= limit:
        return Page(items, None)
    del items[limit:]
    last = items[-1]
    return Page(items, cursors.encode([last.pinned, int(last.updated_at.timestamp() * 1000), str(last.id)]))


def _position(cursor: str) -> store.ListPosition:
    match cursors.decode(cursor):
        case [bool(pinned), int(updated_ms), str(last_id)] if 0 <= updated_ms < cursors.LATEST_MS:
            return pinned, datetime.fromtimestamp(updated_ms / 1000, UTC), parse_id(last_id)
        case _:
            raise InvalidInput("This cursor does not belong to this list.")


async def change_conversation(owner: UserId, conversation_id: ConversationId, changes: dict[str, Any]) -> Conversation:
    """Set title, model, system_prompt, pinned or archived. The order of the list does not change with it.

    Raises:
        NotFound: none with this id, or another user's.
    """
    if not changes:
        return await conversation_of(owner, conversation_id)
    if "title" in changes:
        changes = {**changes, "titled_by": TitledBy.USER}
    conversation = await store.change_conversation(owner, conversation_id, changes)
    if conversation is None:
        raise _none_such()
    notices.tell_changed(owner, conversation_id, changes)
    return conversation


async def branch_window(
    owner: UserId, conversation_id: ConversationId, *, cursor: str | None, limit: int
) -> BranchWindow:
    """The newest messages of the branch shown, or the ones before those already seen.

    Raises:
        NotFound: no such conversation of this owner.
        InvalidInput: the cursor is not one of ours.
    """
    if cursor:
        await conversation_of(owner, conversation_id)
        messages = await store.branch_ending_at(owner, conversation_id, _leaf(cursor), limit=limit)
    else:
        _, messages = await conversation_and_branch(owner, conversation_id, limit=limit)
    older = messages[0].parent_id if messages else None
    return BranchWindow(messages, None if older is None else cursors.encode([str(older)]))


def _leaf(cursor: str) -> ObjectId:
    match cursors.decode(cursor):
        case [str(leaf_id)]:
            return parse_id(leaf_id)
        case _:
            raise InvalidInput("This cursor does not belong to this list.")


def _none_such() -> NotFound:
    return NotFound("There is no such conversation.")
