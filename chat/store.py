"""The request road's only way to conversations, messages and runs: typed values in, typed values out.

Only this module knows the documents. `chat.models` is the schema of record, and a test proves that the two agree.
Every function that takes an id takes its owner too; the exceptions serve the reaper, which has no user to ask for.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from chat.tree import path_up
from chat.types import Conversation, Message, MessageStatus, Role, Run, RunStatus
from eloquent.foundation.database import database
from eloquent.foundation.ids import ConversationId, MessageId, RunId, UserId

CONVERSATIONS: Final = "conversations"
MESSAGES: Final = "messages"
RUNS: Final = "runs"
_UNWAITED: Final = WriteConcern(w=1)

# Where a list of conversations goes on: the sort key of the last one shown.
ListPosition = tuple[bool, datetime, ConversationId]


class BranchBusy(Exception):
    """An active run already writes on this branch."""


class ConversationGone(Exception):
    """The conversation was deleted meanwhile."""


def _soon(collection: str) -> AsyncCollection[dict[str, Any]]:
    """The collection, for writes that need not wait for the journal: a later one covers them, or they can be redone."""
    return database().get_collection(collection, write_concern=_UNWAITED)


# Fields are named one by one: one that another version of this program has written is left alone, not tripped over.


def _conversation(document: dict[str, Any]) -> Conversation:
    return Conversation(
        id=document["_id"],
        user_id=document["user_id"],
        title=document["title"],
        model=document["model"],
        system_prompt=document["system_prompt"],
        pinned=document["pinned"],
        archived=document["archived"],
        leaf_id=document["leaf_id"],
        message_count=document["message_count"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )


def _message(document: dict[str, Any]) -> Message:
    return Message(
        id=document["_id"],
        conversation_id=document["conversation_id"],
        user_id=document["user_id"],
        parent_id=document["parent_id"],
        role=Role(document["role"]),
        parts=document["parts"],
        text=document["text"],
        status=MessageStatus(document["status"]),
        run_id=document["run_id"],
        model=document["model"],
        usage=document["usage"],
        error=document["error"],
        position=document["position"],
        created_at=document["created_at"],
    )


def _run(document: dict[str, Any]) -> Run:
    values = {name: document[name] for name in Run.__struct_fields__[1:]}
    return Run(**{**values, "id": document["_id"], "status": RunStatus(document["status"])})


def _document(value: Conversation | Message | Run) -> dict[str, Any]:
    document = {name: getattr(value, name) for name in value.__struct_fields__[1:]}
    return {"_id": value.id, **document}


# Conversations


async def add_conversation(conversation: Conversation) -> None:
    """Write a new conversation."""
    await database()[CONVERSATIONS].insert_one(_document(conversation))


async def find_conversation(owner: UserId, conversation_id: ConversationId) -> Conversation | None:
    """The owner's conversation; None when there is none or it is another user's."""
    document = await database()[CONVERSATIONS].find_one({"_id": conversation_id, "user_id": owner})
    return None if document is None else _conversation(document)


async def list_conversations(
    owner: UserId, *, archived: bool, after: ListPosition | None, limit: int
) -> list[Conversation]:
    """At most `limit` of the owner's conversations, pinned ones first, then the latest changed first."""
    criteria: dict[str, Any] = {"user_id": owner, "archived": archived}
    if after is not None:
        pinned, updated_at, last_id = after
        criteria["$or"] = [
            {"pinned": pinned, "updated_at": updated_at, "_id": {"$lt": last_id}},
            {"pinned": pinned, "updated_at": {"$lt": updated_at}},
            *([{"pinned": False}] if pinned else []),
        ]
    cursor = database()[CONVERSATIONS].find(
        criteria,
        sort=[("pinned", DESCENDING), ("updated_at", DESCENDING), ("_id", DESCENDING)],
        limit=limit,
        batch_size=limit + 1,
    )
    return [_conversation(document) for document in await cursor.to_list()]


async def change_conversation(
    owner: UserId, conversation_id: ConversationId, changes: dict[str, Any]
) -> Conversation | None:
    """Set the fields of the owner's conversation and return it as it is then; None when there is none."""
    document = await database()[CONVERSATIONS].find_one_and_update(
        {"_id": conversation_id, "user_id": owner}, {"$set": changes}, return_document=ReturnDocument.AFTER
    )
    return None if document is None else _conversation(document)


async def delete_conversation(owner: UserId, conversation_id: ConversationId) -> bool:
    """Delete the owner's conversation with its messages and runs; False when there is none.

    The conversation goes first: from then on nothing below it can be reached, whatever happens next.
    """
    deleted = await database()[CONVERSATIONS].delete_one({"_id": conversation_id, "user_id": owner})
    if not deleted.deleted_count:
        return False
    await asyncio.gather(
        database()[MESSAGES].delete_many({"conversation_id": conversation_id}),
        database()[RUNS].delete_many({"conversation_id": conversation_id}),
    )
    return True


# Messages


async def find_message(owner: UserId, message_id: MessageId) -> Message | None:
    """The owner's message; None when there is none or it is another user's."""
    document = await database()[MESSAGES].find_one({"_id": message_id, "user_id": owner})
    return None if document is None else _message(document)


async def branch_ending_at(
    owner: UserId, conversation_id: ConversationId, leaf_id: MessageId, *, limit: int
) -> list[Message]:
    """The last `limit` messages of the branch that ends at the leaf, oldest first.

    A child's id sorts after its parent's (`id_after`), so walking the conversation's ids downwards meets every
    ancestor. In a conversation without siblings that is one read.
    """
    found: dict[ObjectId, Message] = {}
    at_most = leaf_id
    while True:
        cursor = database()[MESSAGES].find(
            {"conversation_id": conversation_id, "_id": {"$lte": at_most}, "user_id": owner},
            sort=[("_id", DESCENDING)],
            limit=limit,
            batch_size=limit + 1,
        )
        batch = [_message(document) for document in await cursor.to_list()]
        found.update((message.id, message) for message in batch)
        path, missing = path_up(found, leaf_id, limit)
        # An id that the last read asked for and did not bring is of no message here, and never will be.
        if missing is None or missing == at_most or len(batch) < limit:
            return path
        at_most = missing


# Runs


async def add_run(run: Run, messages: Sequence[Message], title: str | None) -> None:
    """Write a new run with its messages so that a crash at any point shows all of them or none.

    Nothing is shown before the conversation's `leaf_id` names the answer, and that is the last write. What a crash
    leaves before it is out of reach and is swept by the reaper once the run's lease is over. A transaction would cost
    2.8 times as much. `title` is set along with the leaf when it is given.

    Raises:
        BranchBusy: another active run writes on this branch, or the idempotency key was used before. Nothing was
            written.
        ConversationGone: it was deleted before it could name the answer. Nothing is left.
    """
    written = database()[MESSAGES].insert_many([_document(message) for message in messages])
    # The update of the leaf comes later in the same oplog: when it is safe, so is the run.
    started, kept = await asyncio.gather(_soon(RUNS).insert_one(_document(run)), written, return_exceptions=True)
    if isinstance(started, BaseException) or isinstance(kept, BaseException):
        await _forget(run, messages, with_run=not isinstance(started, BaseException))
        if isinstance(started, DuplicateKeyError):
            raise BranchBusy from started
        raise started if isinstance(started, BaseException) else kept  # type: ignore[misc]
    changes: dict[str, Any] = {"leaf_id": run.message_id, "updated_at": run.created_at}
    if title:
        changes["title"] = title
    shown = await database()[CONVERSATIONS].update_one(
        {"_id": run.conversation_id, "user_id": run.user_id},
        {"$set": changes, "$inc": {"message_count": len(messages)}},
    )
    if not shown.matched_count:
        await _forget(run, messages, with_run=True)
        raise ConversationGone


async def _forget(run: Run, messages: Sequence[Message], *, with_run: bool) -> None:
    await database()[MESSAGES].delete_many({"_id": {"$in": [message.id for message in messages]}})
    if with_run:
        await database()[RUNS].delete_one({"_id": run.id})


async def find_run(owner: UserId, run_id: RunId) -> Run | None:
    """The owner's run; None when there is none or it is another user's."""
    document = await database()[RUNS].find_one({"_id": run_id, "user_id": owner})
    return None if document is None else _run(document)


async def find_run_by_key(owner: UserId, idempotency_key: str) -> Run | None:
    """The owner's run that was started with this key."""
    # The bound repeats the partial index's own condition, without which the planner may not use it.
    document = await database()[RUNS].find_one(
        {"user_id": owner, "$and": [{"idempotency_key": idempotency_key}, {"idempotency_key": {"$gt": ""}}]}
    )
    return None if document is None else _run(document)


async def active_runs_of(owner: UserId, conversation_id: ConversationId) -> list[Run]:
    """The conversation's runs that are not at rest, latest first."""
    cursor = database()[RUNS].find({"conversation_id": conversation_id, "active": True, "user_id": owner})
    return sorted(map(_run, await cursor.to_list()), key=lambda run: run.id, reverse=True)


async def expired_runs(now: datetime) -> list[Run]:
    """Active runs whose worker has not renewed its lease: it is lost. For the reaper."""
    cursor = database()[RUNS].find({"active": True, "lease_expires_at": {"$lt": now}}, limit=100)
    return [_run(document) for document in await cursor.to_list()]


async def claim_expired_run(run: Run, *, lease_expires_at: datetime) -> bool:
    """Take over a lost run; False when another process was first or its worker came back."""
    claimed = await database()[RUNS].update_one(
        {"_id": run.id, "active": True, "lease_expires_at": run.lease_expires_at},
        {"$set": {"lease_expires_at": lease_expires_at}},
    )
    return claimed.modified_count == 1


async def message_of_run(run: Run) -> Message | None:
    """The answer that the run makes; None when a crash came before it was written."""
    document = await database()[MESSAGES].find_one({"_id": run.message_id})
    return None if document is None else _message(document)


async def show_lost_run(run: Run) -> None:
    """Make the lost run's answer the branch shown if the crash came before that, and nothing newer was shown since."""
    made = {"_id": {"$in": [run.user_message_id, run.message_id]}, "run_id": run.id}
    await database()[CONVERSATIONS].update_one(
        {"_id": run.conversation_id, "updated_at": {"$lt": run.created_at}},
        {
            "$set": {"leaf_id": run.message_id, "updated_at": run.created_at},
            "$inc": {"message_count": await database()[MESSAGES].count_documents(made)},
        },
    )


async def forget_run(run: Run) -> None:
    """Remove what a crash left of a run that was never shown."""
    await database()[MESSAGES].delete_many({"_id": {"$in": [run.user_message_id, run.message_id]}, "run_id": run.id})
    await database()[RUNS].delete_one({"_id": run.id})


async def keep_progress(message: Message) -> bool:
    """Save the text so far with the chunks it covers. False when the answer is not ours any more: deleted or reaped."""
    kept = await _soon(MESSAGES).update_one(
        {"_id": message.id, "status": MessageStatus.STREAMING},
        {"$set": {"parts": message.parts, "text": message.text, "position": message.position}},
    )
    return kept.matched_count == 1


async def renew_lease(run: Run) -> bool:
    """Say that the run's worker lives, and where the run is. False when the run is not ours any more."""
    renewed = await _soon(RUNS).update_one(
        {"_id": run.id, "active": True},
        {
            "$set": {
                "lease_expires_at": run.lease_expires_at,
                "status": run.status,
                "started_at": run.started_at,
                "first_token_at": run.first_token_at,
            }
        },
    )
    return renewed.matched_count == 1


async def keep_rest(run: Run, message: Message) -> None:
    """Save how the run ended. Safe to repeat: it sets, it does not add.

    Returns once the answer would survive the loss of the primary. The run's own record may be a moment behind: if it is
    lost, the reaper finds a finished answer and brings the run to rest with it.
    """
    rest = _soon(RUNS).update_one(
        {"_id": run.id},
        {
            "$set": {
                "status": run.status,
                "active": False,
                "usage": run.usage,
                "error": run.error,
                "started_at": run.started_at,
                "first_token_at": run.first_token_at,
                "finished_at": run.finished_at,
            }
        },
    )
    answer = database()[MESSAGES].update_one(
        {"_id": message.id},
        {
            "$set": {
                "parts": message.parts,
                "text": message.text,
                "status": message.status,
                "usage": message.usage,
                "error": message.error,
                "position": message.position,
            }
        },
    )
    await asyncio.gather(answer, rest)
