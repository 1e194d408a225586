"""What a user asks for, and the run and messages that it becomes. Pure but for the clock and new ids."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec
from bson import ObjectId

from chat.types import Conversation, Message, MessageStatus, Role, Run, RunStatus
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.ids import MessageId, id_after
from inference.offers import OfferedModel
from inference.types import GenerationOptions

# A run whose worker has not said for this long that it lives is lost.
LEASE_S: Final = 10.0


class OnBusy(StrEnum):
    """What is wanted where an answer is still being written: a refusal, or a branch beside it."""

    CONFLICT = "conflict"
    SIBLING = "sibling"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for.

    One of three: a new message (`parts`) behind `parent_id`, or behind the branch shown when that is UNSET; a new
    wording (`parts`) of the user's message `edits`, which becomes its sibling; or another answer beside the answer
    `regenerates`, with no parts. `model` empty means the conversation's own. `client_id` is what the frontend calls the
    new message. `tools` names what the model may call; None leaves it to the settings.
    """

    parts: list[dict[str, Any]] = []
    parent_id: MessageId | msgspec.UnsetType | None = msgspec.UNSET
    edits: MessageId | None = None
    regenerates: MessageId | None = None
    model: str = ""
    options: GenerationOptions = GenerationOptions()
    tools: tuple[str, ...] | None = None
    on_busy: OnBusy = OnBusy.CONFLICT
    idempotency_key: str | None = None
    client_id: str | None = None

    @property
    def names_its_place(self) -> bool:
        """Whether the place in the tree is chosen, and not simply the end of the branch shown."""
        return self.parent_id is not msgspec.UNSET or self.edits is not None or self.regenerates is not None


def new_run(
    conversation: Conversation,
    branch: Sequence[Message],
    regenerated: Message | None,
    *,
    model: OfferedModel,
    ask: Ask,
    beside: bool = False,
) -> Run:
    """The run behind the branch, or beside the answer to the question `regenerated`; queued, with its first lease.

    `beside` another run that is at work there it has a branch of its own, which its answer begins.
    """
    last_id = branch[-1].id if branch else None
    question_id = regenerated.id if regenerated else id_after(last_id)
    grows_from = regenerated.parent_id if regenerated else last_id
    created_at = now()
    answer_id = id_after(question_id)
    return Run(
        id=ObjectId(),
        conversation_id=conversation.id,
        user_id=conversation.user_id,
        user_message_id=question_id,
        message_id=answer_id,
        branch_id=answer_id if beside else grows_from or conversation.id,
        model=model.id,
        provider=model.provider,
        status=RunStatus.QUEUED,
        active=True,
        idempotency_key=ask.idempotency_key,
        worker=lifecycle.worker_id(),
        lease_expires_at=created_at + timedelta(seconds=LEASE_S),
        created_at=created_at,
    )


def question_answered_by(answer: Message) -> MessageId:
    """The message that the answer answers."""
    if answer.parent_id is None:
        raise ValueError("an answer answers something")
    return answer.parent_id


def run_that_goes_on(answer: Message, model: OfferedModel, *, idempotency_key: str | None) -> Run:
    """The run that goes on with an answer which waited for its user; queued, with its first lease.

    It has the branch behind the answer for itself: nobody can ask something else there meanwhile.
    """
    created_at = now()
    return Run(
        id=ObjectId(),
        conversation_id=answer.conversation_id,
        user_id=answer.user_id,
        user_message_id=question_answered_by(answer),
        message_id=answer.id,
        branch_id=answer.id,
        model=model.id,
        provider=model.provider,
        status=RunStatus.QUEUED,
        active=True,
        idempotency_key=idempotency_key,
        worker=lifecycle.worker_id(),
        begins_at=answer.position,
        lease_expires_at=created_at + timedelta(seconds=LEASE_S),
        created_at=created_at,
    )


def with_fresh_lease(run: Run) -> Run:
    """The new run as if it began now: what it was made for took a while since, and a lease is for the living."""
    return msgspec.structs.replace(run, lease_expires_at=now() + timedelta(seconds=LEASE_S))


def question_of(run: Run, branch: Sequence[Message], ask: Ask) -> Message:
    """The user's message that the run answers, at the end of the branch."""
    return Message(
        id=run.user_message_id,
        conversation_id=run.conversation_id,
        user_id=run.user_id,
        parent_id=branch[-1].id if branch else None,
        role=Role.USER,
        parts=ask.parts,
        text="\n\n".join(part["text"] for part in ask.parts if part["type"] == "text"),
        status=MessageStatus.COMPLETE,
        run_id=run.id,
        client_id=ask.client_id,
        created_at=run.created_at,
    )


def empty_answer_of(run: Run, context: dict[str, Any], resumption: dict[str, Any] | None = None) -> Message:
    """The run's answer before its first word.

    `context` is what the language model is shown (`Prompt.told`); `resumption` is for one that may come to wait.
    """
    return Message(
        id=run.message_id,
        conversation_id=run.conversation_id,
        user_id=run.user_id,
        parent_id=run.user_message_id,
        role=Role.ASSISTANT,
        parts=[],
        text="",
        status=MessageStatus.STREAMING,
        run_id=run.id,
        model=run.model,
        context={**context, "truncated_by_provider": False},
        resumption=resumption,
        created_at=run.created_at,
    )
