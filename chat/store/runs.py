"""The stored runs, and the writes that a run makes to several collections."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chat.search.words import grams_of
from chat.store.documents import CONVERSATIONS, MESSAGES, RUNS, document_of, message_from, run_from
from chat.types import Message, MessageStatus, Run, TitledBy
from eloquent.foundation import group_commit
from eloquent.foundation.database import database
from eloquent.foundation.ids import ConversationId, RunId, UserId

log = structlog.get_logger(__name__)


class BranchBusy(Exception):
    """An active run already writes on this branch."""


class ConversationGone(Exception):
    """The conversation was deleted meanwhile."""


class AnswerGone(Exception):
    """The answer that was to go on does not wait any more."""


class AnswerFollowed(Exception):
    """Something was written behind the answer that was to go on."""


async def add_run(run: Run, messages: Sequence[Message]) -> None:
    """Write a new run with its messages. They are out of reach until `show_run`.

    A crash at any point shows all of them or none: what it leaves unshown is swept by the reaper once the run's lease
    is over. A transaction would cost 2.8 times as much.

    Raises:
        BranchBusy: another active run writes on this branch, or the idempotency key was used before. Nothing was
            written.
    """
    # The messages must be safe before the leaf names them, also when the primary changes in between.
    started, kept = await asyncio.gather(
        group_commit.insert(RUNS, [document_of(run)], soon=True),
        group_commit.insert(MESSAGES, [document_of(message) for message in messages]),
        return_exceptions=True,
    )
    if isinstance(started, BaseException) or isinstance(kept, BaseException):
        await _forget(run, messages, with_run=not isinstance(started, BaseException))
        if isinstance(started, DuplicateKeyError):
            raise BranchBusy from started
        raise started if isinstance(started, BaseException) else kept  # type: ignore[misc]


async def add_run_that_goes_on(run: Run, message: Message, *, after: RunId) -> None:
    """Write a new run that goes on with the answer `message`, which the run `after` has left waiting.

    From here on the answer is this run's. A crash at any point leaves it waiting, or makes it this run's: an active run
    whose answer names another is swept by the reaper (`fence_answer`). What the answer is kept with to go on stays: it
    may wait again.

    Raises:
        BranchBusy: another active run writes on this branch, or the idempotency key was used before.
        AnswerFollowed: something was written behind it. Asked when the branch is ours, so that nothing can be later.
        AnswerGone: it waits no more: another run goes on with it, or it was deleted. Nothing was written.
    """
    try:
        await group_commit.insert(RUNS, [document_of(run)])
    except DuplicateKeyError as error:
        raise BranchBusy from error
    behind = {"user_id": message.user_id, "conversation_id": message.conversation_id, "parent_id": message.id}
    if await database()[MESSAGES].find_one(behind, {"_id": True}) is not None:
        await _forget(run, [], with_run=True)
        raise AnswerFollowed
    goes_on = await group_commit.update(
        MESSAGES,
        {
            "_id": message.id,
            "status": MessageStatus.COMPLETE,
            "run_id": after,
            "resumption": {"$ne": None},
            "resumption.fence": (message.resumption or {}).get("fence"),
        },
        {
            "$set": {
                "status": message.status,
                "run_id": message.run_id,
                "parts": message.parts,
                "position": message.position,
                "usage": None,
            }
        },
    )
    if not goes_on:
        await _forget(run, [], with_run=True)
        raise AnswerGone


async def show_run(run: Run, messages: Sequence[Message], title: str | None) -> None:
    """Make the run's answer, written with the run's other `messages`, the branch shown. From here on it is safe.

    `title`, the first words, is set along with it when it is given and there is none.

    Raises:
        ConversationGone: it was deleted meanwhile. Nothing is left of the run.
    """
    criteria = {"_id": run.conversation_id, "user_id": run.user_id}
    if not await group_commit.update(CONVERSATIONS, criteria, _showing(run, len(messages), title)):
        await _forget(run, messages, with_run=True)
        raise ConversationGone


def _showing(run: Run, messages: int, title: str | None) -> dict[str, Any] | list[dict[str, Any]]:
    """The update that makes the run's answer the branch shown."""
    shown = {"leaf_id": run.message_id, "updated_at": run.created_at}
    if not title:
        return {"$set": shown, "$inc": {"message_count": messages}}
    # Whether there is a title is asked where it is written: the user may have given one a moment ago.
    untitled = {"$eq": ["$title", ""]}
    return [
        {
            "$set": {
                **shown,
                "message_count": {"$add": ["$message_count", messages]},
                "title": {"$cond": [untitled, {"$literal": title}, "$title"]},
                "titled_by": {"$cond": [untitled, TitledBy.FIRST_WORDS, "$titled_by"]},
            }
        }
    ]


async def _forget(run: Run, messages: Sequence[Message], *, with_run: bool) -> None:
    await database()[MESSAGES].delete_many({"_id": {"$in": [message.id for message in messages]}})
    if with_run:
        await database()[RUNS].delete_one({"_id": run.id})


async def find_run(owner: UserId, run_id: RunId) -> Run | None:
    """The owner's run; None when there is none or it is another user's."""
    document = await database()[RUNS].find_one({"_id": run_id, "user_id": owner})
    return None if document is None else run_from(document)


async def find_run_by_key(owner: UserId, idempotency_key: str) -> Run | None:
    """The owner's run that was started with this key."""
    # The bound repeats the partial index's own condition, without which the planner may not use it.
    document = await database()[RUNS].find_one(
        {"user_id": owner, "$and": [{"idempotency_key": idempotency_key}, {"idempotency_key": {"$gt": ""}}]}
    )
    return None if document is None else run_from(document)


async def active_runs_of(owner: UserId, conversation_id: ConversationId) -> list[Run]:
    """The conversation's runs that are not at rest, latest first."""
    cursor = database()[RUNS].find({"conversation_id": conversation_id, "active": True, "user_id": owner})
    return sorted(map(run_from, await cursor.to_list()), key=lambda run: run.id, reverse=True)


async def active_runs_of_user(owner: UserId, *, limit: int) -> list[Run]:
    """At most `limit` of the owner's runs that are not at rest, in all conversations."""
    cursor = database()[RUNS].find({"user_id": owner, "active": True}, limit=limit)
    return [run_from(document) for document in await cursor.to_list()]


async def runs_at_rest_of(owner: UserId, *, after: RunId | None, limit: int) -> list[Run]:
    """The owner's runs that are at rest, oldest first, those behind `after`."""
    wanted: dict[str, Any] = {"user_id": owner, "active": False}
    if after is not None:
        wanted["_id"] = {"$gt": after}
    cursor = database()[RUNS].find(wanted, sort=[("_id", ASCENDING)], limit=limit, batch_size=limit + 1)
    return [run_from(document) for document in await cursor.to_list()]


async def expired_runs(now: datetime) -> list[Run]:
    """Active runs whose worker has not renewed its lease: it is lost. For the reaper."""
    cursor = database()[RUNS].find({"active": True, "lease_expires_at": {"$lt": now}}, limit=100)
    found: list[Run] = []
    for document in await cursor.to_list():
        try:
            found.append(run_from(document))
        except (KeyError, ValueError):
            # Another version's, or damaged: it must not keep the others from coming to rest.
            log.exception("a run's record cannot be read", run_id=str(document["_id"]))
    return found


async def claim_expired_run(run: Run, *, worker: str, lease_expires_at: datetime) -> Run | None:
    """Take over a lost run for this worker; None when another process was first or its own came back."""
    claimed = await database()[RUNS].find_one_and_update(
        {"_id": run.id, "active": True, "lease_expires_at": run.lease_expires_at},
        {"$set": {"worker": worker, "lease_expires_at": lease_expires_at}},
        return_document=ReturnDocument.AFTER,
    )
    return None if claimed is None else run_from(claimed)


async def request_stop(owner: UserId, run_id: RunId, *, at: datetime) -> Run | None:
    """Note on the owner's active run that it is to be stopped, and return it; None when it has come to rest."""
    document = await database()[RUNS].find_one_and_update(
        {"_id": run_id, "user_id": owner, "active": True},
        {"$set": {"stop_requested_at": at}},
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else run_from(document)


async def show_lost_run(run: Run) -> None:
    """Make the lost run's answer the branch shown if the crash came before that, and nothing newer was shown since."""
    made = {"_id": {"$in": [run.user_message_id, run.message_id]}, "run_id": run.id}
    await database()[CONVERSATIONS].update_one(
        {"_id": run.conversation_id, "updated_at": {"$lt": run.created_at}},
        {
            "$set": {"leaf_id": run.message_id, "updated_at": run.created_at},
            # An answer that goes on was counted when it was new.
            "$inc": {"message_count": 0 if run.begins_at else await database()[MESSAGES].count_documents(made)},
        },
    )


async def fence_answer(run: Run) -> Message | None:
    """See to it that the lost run does not take up an answer which waits any more, and return the answer as it is then.

    Whoever has read the answer before is refused by it. Its `run_id` says whether the run had been faster.
    """
    await database()[MESSAGES].update_one(
        {"_id": run.message_id, "run_id": {"$ne": run.id}, "resumption": {"$ne": None}},
        {"$set": {"resumption.fence": str(run.id)}},
    )
    document = await database()[MESSAGES].find_one({"_id": run.message_id})
    return None if document is None else message_from(document)


async def forget_record(run: Run) -> None:
    """Remove a run that has made nothing."""
    await database()[RUNS].delete_one({"_id": run.id})


async def forget_run(run: Run) -> None:
    """Remove what a crash left of a run that was never shown."""
    await database()[MESSAGES].delete_many({"_id": {"$in": [run.user_message_id, run.message_id]}, "run_id": run.id})
    await database()[RUNS].delete_one({"_id": run.id})


async def renew_lease(run: Run) -> bool:
    """Say that the run's worker lives, and where the run is. False when it is to be stopped, or not ours any more."""
    return await group_commit.update(
        RUNS,
        {"_id": run.id, "active": True, "worker": run.worker, "stop_requested_at": None},
        {
            "$set": {
                "lease_expires_at": run.lease_expires_at,
                "status": run.status,
                "started_at": run.started_at,
                "first_token_at": run.first_token_at,
            }
        },
        soon=True,
    )


async def keep_rest(run: Run, message: Message, *, kept: Callable[[], None] = lambda: None) -> None:
    """Save how the run ended. Safe to repeat: it sets, it does not add. What another worker has ended stays as it is.

    `kept` is called when it is this that has ended the answer, once over all repetitions.

    The answer first, so that it would survive the loss of the primary, and then the run's own record: if that is lost,
    the reaper finds a finished answer and brings the run to rest with it. An answer that was not saved would never be
    looked for again once its run is at rest.
    """
    if await keep_answer(message):
        kept()
    await keep_run(run)


async def keep_answer(message: Message) -> bool:
    """Save the answer as it ended; False when it has ended already, or goes on in another run: then it stays."""
    return await group_commit.update(
        MESSAGES,
        {"_id": message.id, "status": MessageStatus.STREAMING, "run_id": message.run_id},
        {
            "$set": {
                "parts": message.parts,
                "text": message.text,
                "grams": grams_of(message.text),
                "status": message.status,
                "usage": message.usage,
                "error": message.error,
                "context": message.context,
                "position": message.position,
                "calls": message.calls,
                "model": message.model,
                "resumption": message.resumption,
            }
        },
    )


async def keep_run(run: Run) -> None:
    """Save that the run is at rest, unless it is another worker's by now."""
    await group_commit.update(
        RUNS,
        {"_id": run.id, "active": True, "worker": run.worker},
        {
            "$set": {
                "status": run.status,
                "active": False,
                "usage": run.usage,
                "error": run.error,
                "model": run.model,
                "provider": run.provider,
                "started_at": run.started_at,
                "first_token_at": run.first_token_at,
                "finished_at": run.finished_at,
            }
        },
        soon=True,
    )
