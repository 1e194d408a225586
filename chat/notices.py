"""Notices between a user's devices: a conversation appeared, changed or went, an answer or an import came to rest.

They travel over the channel layer to every socket of the user in every process. The words of an answer never do. A
notice is a courtesy: it is sent after the fact, nobody waits for it, it may come twice, and it is lost when Redis is
away or too much is waiting. The API is the truth, and a client reads it again whenever it may have missed something.

Notices of one user that come within `HELD_BACK_S` travel as one message: a short answer's beginning and end cost one
PUBLISH together.
"""

import asyncio
from contextvars import Context
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import structlog
from channels.layers import get_channel_layer

from chat.types import Conversation, Import, ImportStatus, Run, RunStatus
from eloquent.foundation.ids import ConversationId, UserId
from eloquent.foundation.patience import asked_twice

log = structlog.get_logger(__name__)

# The handler of `chat.notice_socket`, as Channels names it.
TOLD: Final = "notices.told"
HELD_BACK_S: Final = 0.05
SEND_LIMIT_S: Final = 2.0
# More than this of one user at once, and the devices are told to read everything again.
MOST_OF_A_USER: Final = 32
MOST_USERS: Final = 10_000


class ConversationCreated(msgspec.Struct, frozen=True, tag_field="type", tag="conversation-created"):
    """A new conversation, as lists show it."""

    conversation_id: str
    title: str
    model: str
    created_at: datetime


class ConversationChanged(msgspec.Struct, frozen=True, tag_field="type", tag="conversation-changed"):
    """The fields that changed with their new values, but for the system prompt, which no list shows."""

    conversation_id: str
    changes: dict[str, Any]


class ConversationDeleted(msgspec.Struct, frozen=True, tag_field="type", tag="conversation-deleted"):
    """With all its messages."""

    conversation_id: str


class AnswerStarted(msgspec.Struct, frozen=True, tag_field="type", tag="answer-started"):
    """An answer is being written; the conversation is at the top of the list from `at` on."""

    conversation_id: str
    run_id: str
    message_id: str
    user_message_id: str
    at: datetime


class AnswerFinished(msgspec.Struct, frozen=True, tag_field="type", tag="answer-finished"):
    """An answer is saved. `status` says how it ended."""

    conversation_id: str
    run_id: str
    message_id: str
    status: RunStatus


class ImportFinished(msgspec.Struct, frozen=True, tag_field="type", tag="import-finished"):
    """A file was imported, as far as could be. When conversations were added, lists are to be read again."""

    import_id: str
    status: ImportStatus
    added: int


class Refetch(msgspec.Struct, frozen=True, tag_field="type", tag="refetch"):
    """Too much happened at once to tell it one by one."""


Notice: TypeAlias = (
    ConversationCreated
    | ConversationChanged
    | ConversationDeleted
    | AnswerStarted
    | AnswerFinished
    | ImportFinished
    | Refetch
)

_LISTED: Final = ("title", "model", "pinned", "archived")
_encoder: Final = msgspec.json.Encoder()


def notices_group(user_id: UserId) -> str:
    """The channel group that the user's devices listen to."""
    return f"notices.{user_id}"


def tell(user_id: UserId, notice: Notice) -> None:
    """Tell the user's devices soon. Never waits and never raises."""
    _outbox.add(user_id, notice)


def tell_created(conversation: Conversation) -> None:
    """A conversation was made."""
    tell(
        conversation.user_id,
        ConversationCreated(str(conversation.id), conversation.title, conversation.model, conversation.created_at),
    )


def tell_changed(user_id: UserId, conversation_id: ConversationId, changes: dict[str, Any]) -> None:
    """Some of its fields have new values."""
    listed: dict[str, Any] = {name: changes[name] for name in _LISTED if name in changes}
    tell(user_id, ConversationChanged(str(conversation_id), listed))


def tell_started(run: Run, title: str | None) -> None:
    """An answer began; `title` when the conversation got one with it."""
    if title:
        tell_changed(run.user_id, run.conversation_id, {"title": title})
    tell(
        run.user_id,
        AnswerStarted(
            str(run.conversation_id),
            str(run.id),
            str(run.message_id),
            str(run.user_message_id),
            run.created_at,
        ),
    )


def tell_finished(run: Run) -> None:
    """An answer came to rest."""
    tell(run.user_id, AnswerFinished(str(run.conversation_id), str(run.id), str(run.message_id), run.status))


def tell_imported(done: Import) -> None:
    """An import came to rest."""
    tell(done.user_id, ImportFinished(str(done.id), done.status, done.added))


class _Outbox:
    """What is waiting to be sent, by user, and the one task that sends it."""

    def __init__(self) -> None:
        self._waiting: dict[UserId, list[Notice]] = {}
        self._sending: asyncio.Task[None] | None = None

    def add(self, user_id: UserId, notice: Notice) -> None:
        notices = self._waiting.get(user_id)
        if notices is None:
            if len(self._waiting) >= MOST_USERS:
                return
            self._waiting[user_id] = [notice]
        elif len(notices) < MOST_OF_A_USER:
            notices.append(notice)
        else:
            self._waiting[user_id] = [Refetch()]
        loop = asyncio.get_running_loop()
        if self._sending is None or self._sending.done() or self._sending.get_loop() is not loop:
            # A context of its own: what it logs is not about the first one's request.
            self._sending = loop.create_task(self._send(), name="notices", context=Context())

    async def _send(self) -> None:
        layer = get_channel_layer()
        while self._waiting and layer is not None:
            await asyncio.sleep(HELD_BACK_S)
            waiting, self._waiting = self._waiting, {}
            try:
                for user_id, notices in waiting.items():
                    frames = [_encoder.encode(notice).decode() for notice in notices]
                    send = partial(layer.group_send, notices_group(user_id), {"type": TOLD, "frames": frames})
                    await asked_twice(send, limit_s=SEND_LIMIT_S)
            except Exception as error:  # noqa: BLE001 - whatever the layer is made of: it is away, and so are these
                log.warning("notices were not sent", users=len(waiting), error=repr(error))


_outbox: Final = _Outbox()
