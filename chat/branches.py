"""The branches of a conversation: where a new message goes, what stands beside it, and which branch is shown."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from chat import store, tree
from chat.asking import Ask, OnBusy
from chat.conversations import conversation_and_branch, conversation_of
from chat.errors import BranchIsBusy, NotAnAnswer, NotAQuestion, ParentUnknown
from chat.types import Conversation, Message, MessageStatus, Role, Sibling
from eloquent.foundation import cursors
from eloquent.foundation.errors import InvalidInput, NotFound
from eloquent.foundation.ids import ConversationId, MessageId, UserId, parse_id

HISTORY_MESSAGES: Final = 200
"""How far back a branch is read for a language model; its window is trimmed to further."""


class SiblingPage(NamedTuple):
    """Siblings, the oldest first; the one on the branch shown, None when none of them is; the next page's cursor."""

    items: list[Sibling]
    shown_id: MessageId | None
    next_cursor: str | None


async def message_of(owner: UserId, message_id: MessageId) -> Message:
    """The owner's message.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    message = await store.find_message(owner, message_id)
    if message is None:
        raise NotFound("There is no such message.")
    return message


async def place_of(
    owner: UserId, conversation_id: ConversationId, ask: Ask
) -> tuple[Conversation, list[Message] | None]:
    """The conversation, and along with it the branch it shows where the new message is likely to go on from it.

    One read for both: it is what the first word waits for.

    Raises:
        NotFound: no such conversation of this owner.
    """
    if ask.edits or ask.regenerates:
        return await conversation_of(owner, conversation_id), None
    return await conversation_and_branch(owner, conversation_id, limit=HISTORY_MESSAGES)


async def branch_to_go_on_from(
    conversation: Conversation, ask: Ask, shown: list[Message] | None = None
) -> list[Message]:
    """The messages before the new one, oldest first; for another answer, up to the question it answers.

    `shown` is the branch that the conversation shows, when it was just read.

    Raises:
        ParentUnknown: the message to go on from is not there, or is the user's own.
        NotAQuestion, NotAnAnswer: what is to be edited, or to be answered anew, is of the other kind.
        BranchIsBusy: an answer is being written there, and the user does not want another beside it.
    """
    parent_id = await _parent_for(conversation, ask)
    if shown is not None and parent_id == conversation.leaf_id:
        branch = shown
    else:
        branch = [] if parent_id is None else await _branch_to(parent_id, conversation)
    if parent_id is not None and (
        not branch or branch[-1].role is not (Role.USER if ask.regenerates else Role.ASSISTANT)
    ):
        raise ParentUnknown
    if branch and branch[-1].status is MessageStatus.STREAMING:
        if ask.on_busy is OnBusy.CONFLICT or ask.parent_id is not msgspec.UNSET:
            raise BranchIsBusy  # a parent that was named is kept to, and there is nothing to go on from yet
        # Beside the question in the making: what comes before it is all that the two have in common.
        return branch[:-2]
    if ask.on_busy is OnBusy.CONFLICT and ask.names_its_place:
        last_id = branch[-1].id if branch else None
        await _require_no_sibling_at_work(conversation, branch[-1].parent_id if ask.regenerates else last_id)
    return branch


async def _branch_to(message_id: MessageId, conversation: Conversation) -> list[Message]:
    return await store.branch_ending_at(conversation.user_id, conversation.id, message_id, limit=HISTORY_MESSAGES)


async def _parent_for(conversation: Conversation, ask: Ask) -> MessageId | None:
    redone_id = ask.regenerates or ask.edits
    if redone_id is None:
        return conversation.leaf_id if ask.parent_id is msgspec.UNSET else ask.parent_id
    redone = await store.find_message(conversation.user_id, redone_id)
    if redone is None or redone.conversation_id != conversation.id:
        raise ParentUnknown
    if ask.edits and redone.role is not Role.USER:
        raise NotAQuestion
    if ask.regenerates and redone.role is not Role.ASSISTANT:
        raise NotAnAnswer
    if redone.status is MessageStatus.STREAMING and ask.on_busy is OnBusy.CONFLICT:
        raise BranchIsBusy
    return redone.parent_id


async def _require_no_sibling_at_work(conversation: Conversation, parent_id: MessageId | None) -> None:
    """Refuse a place where a run is at work that went beside another: the branch's own lock does not show it."""
    active = await store.active_runs_of(conversation.user_id, conversation.id)
    beside = [run.user_message_id for run in active if run.is_beside]
    questions = await asyncio.gather(*(store.find_message(conversation.user_id, question) for question in beside))
    if any(question is not None and question.parent_id == parent_id for question in questions):
        raise BranchIsBusy


async def siblings_of(owner: UserId, message_id: MessageId, *, cursor: str | None, limit: int) -> SiblingPage:
    """The message and those beside it, which have the same parent.

    Raises:
        NotFound: none with this id, or another user's.
        InvalidInput: the cursor is not one of ours.
    """
    message = await message_of(owner, message_id)
    after = _position(cursor) if cursor else None
    conversation, siblings = await asyncio.gather(
        conversation_of(owner, message.conversation_id),
        store.siblings_below(owner, message.conversation_id, message.parent_id, after=after, limit=limit + 1),
    )
    links = await store.links_below(owner, conversation.id, message.parent_id)
    shown_id = tree.child_on_the_way_to(conversation.leaf_id, message.parent_id, links)
    page = siblings[:limit]
    return SiblingPage(page, shown_id, cursors.encode([str(page[-1].id)]) if len(siblings) > limit else None)


def _position(cursor: str) -> MessageId:
    match cursors.decode(cursor):
        case [str(last_id)]:
            return parse_id(last_id)
        case _:
            raise InvalidInput("This cursor does not belong to this list.")


async def places_of(owner: UserId, window: Sequence[Message]) -> Mapping[MessageId, tree.Place]:
    """Where each message of a window of a branch stands among its siblings. One read, whatever the window's size."""
    if not window:
        return {}
    parents = [message.parent_id for message in window]
    links = await store.children_of(owner, window[0].conversation_id, parents)
    return tree.places([message.id for message in window], links)


async def show_branch(owner: UserId, message_id: MessageId) -> Conversation:
    """Show the newest branch through the message, down to its leaf; returns the conversation as it is then.

    Its place in the list does not change. A run that is started at the same moment may show its own answer after it.

    Raises:
        NotFound: none with this id, or another user's.
    """
    message = await message_of(owner, message_id)
    links = await store.links_below(owner, message.conversation_id, message.id)
    leaf_id = tree.newest_leaf(message.id, links)
    conversation = await store.change_conversation(owner, message.conversation_id, {"leaf_id": leaf_id})
    if conversation is None:
        raise NotFound("There is no such message.")
    return conversation
