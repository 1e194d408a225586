"""Runs as AI SDK clients ask for them: conversations and messages by the names that the client gave them.

`useChat` makes up an id for each chat and for each message of the user before the server has heard of them. A
conversation is begun under its client's name by the first message; a user's message keeps the name beside its own id,
so that an edit or another answer can be asked for by it.
"""

import re
from typing import Final

import msgspec

from chat import approvals, conversations, runs, store
from chat.asking import Ask
from chat.branches import HISTORY_MESSAGES
from chat.errors import ParentUnknown
from chat.posting import Wish
from chat.types import Conversation, Role, Run
from eloquent.foundation.errors import InvalidInput, NotFound
from eloquent.foundation.ids import ConversationId, MessageId, RunId, UserId, is_id, parse_id

# A nanoid, a UUID, the AI SDK's own 16 characters: what stands in a path as it is.
CHAT_ID: Final = r"[A-Za-z0-9_-]{1,64}"
_is_chat_id: Final = re.compile(CHAT_ID, re.ASCII).fullmatch
# Wordings of one message that are looked through for the one that is shown.
_WORDINGS: Final = 16


async def start(owner: UserId, chat_id: str, wish: Wish, *, idempotency_key: str | None = None) -> Run:
    """Begin the answer that is wished for; the first message to a new name begins its conversation.

    Raises:
        InvalidInput: the name cannot be one of a chat, or there is nothing to answer anew.
        what `runs.start_run` and `approvals.go_on` raise.
    """
    if wish.decisions:
        return await approvals.go_on(owner, parse_id(wish.names), wish.decisions, idempotency_key=idempotency_key)
    conversation_id = parse_id(chat_id) if is_id(chat_id) else (await _begun(owner, chat_id)).id
    ask = await _ask(owner, conversation_id, wish)
    return await runs.start_run(owner, conversation_id, msgspec.structs.replace(ask, idempotency_key=idempotency_key))


async def conversation_called(owner: UserId, chat_id: str) -> Conversation | None:
    """The owner's conversation with this id or name; None when the name is one that nothing was sent to yet.

    Raises:
        InvalidInput: it can be no name of a chat.
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    if is_id(chat_id):
        return await conversations.conversation_of(owner, parse_id(chat_id))
    return await store.find_conversation_called(owner, _name(chat_id))


async def active_run(owner: UserId, chat_id: str, *, named: RunId | None = None) -> Run | None:
    """The chat's run that is not at rest (`runs.active_run_of`), or the one `named` if it is such a run of this chat.

    Raises:
        InvalidInput, NotFound: as `conversation_called`.
    """
    if is_id(chat_id):
        # Asked for first: behind an active run there is a conversation.
        run = await _running(owner, parse_id(chat_id), named)
        if run is None:
            await conversations.conversation_of(owner, parse_id(chat_id))
        return run
    conversation = await store.find_conversation_called(owner, _name(chat_id))
    return None if conversation is None else await _running(owner, conversation.id, named)


async def _running(owner: UserId, conversation_id: ConversationId, named: RunId | None) -> Run | None:
    if named is None:
        return await runs.active_run_of(owner, conversation_id)
    try:
        run = await runs.run_of(owner, named)
    except NotFound:
        return None
    return run if run.active and run.conversation_id == conversation_id else None


async def _begun(owner: UserId, chat_id: str) -> Conversation:
    conversation = await store.find_conversation_called(owner, _name(chat_id))
    if conversation is not None:
        return conversation
    try:
        return await conversations.create_conversation(owner, client_id=chat_id)
    except store.NameTaken:
        # Two first messages at once: the other one's conversation is this one's.
        conversation = await store.find_conversation_called(owner, chat_id)
        if conversation is None:
            raise NotFound("There is no such conversation.") from None
        return conversation


def _name(chat_id: str) -> str:
    if not _is_chat_id(chat_id):
        raise InvalidInput("A chat's id is one of ours, or 1 to 64 letters, digits, hyphens and underscores.")
    return chat_id


async def _ask(owner: UserId, conversation_id: ConversationId, wish: Wish) -> Ask:
    """The wish in terms of the tree."""
    new = Ask(
        parts=wish.parts,
        parent_id=wish.parent_id,
        model=wish.model,
        options=wish.options,
        tools=wish.tools,
        on_busy=wish.on_busy,
        client_id=wish.called or None,
    )
    if not wish.regenerates and not wish.names:
        return new
    conversation = await conversations.conversation_of(owner, conversation_id)
    if not wish.regenerates:
        edited = await _message_called(conversation, wish.names)
        if edited is None and is_id(wish.names):
            raise ParentUnknown
        # A message that never arrived is edited by sending it.
        return new if edited is None else msgspec.structs.replace(new, edits=edited, parent_id=msgspec.UNSET)
    again = msgspec.structs.replace(new, parts=[], parent_id=msgspec.UNSET, client_id=None)
    for name in (wish.names, wish.called):
        if name and (named := await _message_called(conversation, name)) is not None:
            return msgspec.structs.replace(again, regenerates=await _answer_to(conversation, named))
    if is_id(wish.names) or (wish.names and not wish.parts):
        raise ParentUnknown
    if wish.parts:
        return new  # its sending was refused, and is tried again
    if conversation.leaf_id is None:
        raise InvalidInput("There is no answer to make anew.")
    return msgspec.structs.replace(again, regenerates=conversation.leaf_id)


async def _message_called(conversation: Conversation, name: str) -> MessageId | None:
    """The message that the client means: of several wordings the one that is shown, else the newest."""
    named = await store.messages_called(conversation.user_id, conversation.id, name, limit=_WORDINGS)
    if is_id(name):
        # Loaded from the server under its own id; a client goes on calling an edited one by it.
        message = await store.find_message(conversation.user_id, parse_id(name))
        if message is not None and message.conversation_id == conversation.id:
            named.append(message.id)
    if len(named) > 1 and conversation.leaf_id is not None:
        branch = await store.branch_ending_at(
            conversation.user_id, conversation.id, conversation.leaf_id, limit=HISTORY_MESSAGES
        )
        shown = {message.id for message in branch}
        named.sort(key=lambda message_id: message_id not in shown)
    return named[0] if named else None


async def _answer_to(conversation: Conversation, message_id: MessageId) -> MessageId:
    """The newest answer to the message, which may be an answer itself: a client may name either of the two."""
    message = await store.find_message(conversation.user_id, message_id)
    if message is None or message.role is Role.ASSISTANT:
        return message_id
    answers = await store.children_of(conversation.user_id, conversation.id, [message_id])
    return answers[-1].id if answers else message_id
