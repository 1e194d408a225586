"""Where `chat` keeps personal data: the entries of the register, how they are erased and exported."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from chat import store
from chat.attachments.keeping import remove
from chat.attachments.storage import count_files_below, file_at, remove_files_below
from chat.exports.exporting import as_json
from chat.journal.wire import key_of
from chat.runs import stop_run
from chat.types import Attachment
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ConversationId, MessageId, RunId, UserId
from eloquent.foundation.personal_data import (
    ExportedFile,
    PersonalStore,
    Piece,
    Stage,
    Treatment,
    register,
    register_impersonal,
)
from eloquent.foundation.personal_rows import count_rows, delete_rows, listed, of_model
from eloquent.foundation.redis import redis_client

log = structlog.get_logger(__name__)

LARGEST_PART_BYTES: Final = 50 * 1024 * 1024
"""A file of conversations ends behind the one that makes it larger than this: it can be imported as it is."""
_PAGE: Final = 200
_FILES_AT_ONCE: Final = 50
_IMPORTS_AT_ONCE: Final = 5


def register_places() -> None:
    """Add them to the register, in the order in which they are erased. Called once, when the apps are loaded."""
    register(
        PersonalStore(
            name="attachments",
            what="files that you attached, and what is known of them",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            models=("chat.Attachment",),
            erase=_erase_attachments,
            count=partial(count_rows, "chat.Attachment", "user_id"),
            export=_attachments,
        ),
        PersonalStore(
            name="attachment_files",
            what="the contents of those files, in their storage",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            erase=lambda owner: remove_files_below(str(owner)),
            count=lambda owner: count_files_below(str(owner)),
            not_exported="They are exported with what is known of them.",
        ),
        of_model(
            "chat.Message",
            "messages",
            "your questions, their answers, and what you thought of those; the index that search reads is made of them",
            stage=Stage.CONTENT,
            not_exported="They are exported with their conversations.",
        ),
        PersonalStore(
            name="runs",
            what="how each answer was made: model, times, outcome",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            models=("chat.Run",),
            erase=partial(delete_rows, "chat.Run", "user_id", before=_forget_journals),
            count=partial(count_rows, "chat.Run", "user_id"),
            export=_runs,
            halt=_stop_answers,
        ),
        PersonalStore(
            name="journals",
            what="answers while they are written, in Redis and in memory",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            along_with="runs",
            kept_for="five minutes behind an answer's end, where it cannot be deleted",
            not_exported="What is in them is in your conversations.",
        ),
        PersonalStore(
            name="imports",
            what="files of conversations that you brought along, and what became of them",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            models=("chat.Import", "chat.ImportChunk"),
            erase=partial(delete_rows, "chat.Import", "user_id", before=_forget_chunks, at_once=_IMPORTS_AT_ONCE),
            count=partial(count_rows, "chat.Import", "user_id"),
            export=_imports,
            halt=_end_imports,
        ),
        # Last of what people wrote: what is in them was deleted before.
        PersonalStore(
            name="conversations",
            what="your conversations: titles, settings, system prompts",
            treatment=Treatment.DELETE,
            stage=Stage.CONTENT,
            models=("chat.Conversation",),
            erase=partial(delete_rows, "chat.Conversation", "user_id"),
            count=partial(count_rows, "chat.Conversation", "user_id"),
            export=_conversations,
        ),
        PersonalStore(
            name="notices",
            what="notices between your devices, in Redis",
            treatment=Treatment.KEEP,
            stage=Stage.CONTENT,
            because="They are on their way, and are written down nowhere.",
            kept_for="seconds",
            not_exported="They say what your conversations show.",
        ),
    )
    register_impersonal("retention_rules", because="It says how long groups keep conversations.")
    register_impersonal(
        "retention_sweeps", because="It names conversations while they are being deleted, for seconds, and nobody else."
    )


async def _stop_answers(owner: UserId) -> None:
    """Stop everything that is being written for the user, in all processes."""
    active = await store.active_runs_of_user(owner, limit=_PAGE)
    stopped = await asyncio.gather(*(stop_run(owner, run.id) for run in active), return_exceptions=True)
    for failure in stopped:
        if isinstance(failure, BaseException) and not isinstance(failure, NotFound):
            raise failure


async def _end_imports(owner: UserId) -> None:
    await store.cancel_imports_of(owner, at=now())


async def _erase_attachments(owner: UserId) -> int:
    """Delete some of the user's files, then what is known of them."""
    ids = (await store.attachment_ids_of(owner))[:_FILES_AT_ONCE]
    found = list((await store.attachments_among(owner, ids)).values())
    await remove(found)
    return len(found)


async def _forget_journals(run_ids: Sequence[RunId]) -> None:
    """Delete the copies in Redis. They expire by themselves: while Redis is away an erasure does not wait for it."""
    redis = redis_client()
    if redis is None:
        return
    try:
        await redis.delete(*map(key_of, run_ids))
    except (RedisError, OSError) as error:
        log.warning("journals are left to expire", error=type(error).__name__)


async def _forget_chunks(import_ids: Sequence[Any]) -> None:
    for import_id in import_ids:
        await store.forget_chunks(import_id)


async def _conversations(owner: UserId) -> AsyncIterator[ExportedFile]:
    """`conversations-0001.json` and on: lists of `eloquent.conversation/1`, each of which can be imported."""
    waiting = await store.conversation_ids_of(owner)
    waiting.reverse()
    number = 0
    while waiting or not number:
        number += 1
        yield ExportedFile(f"conversations-{number:04d}.json", _part(owner, waiting))


async def _part(owner: UserId, waiting: list[ConversationId]) -> AsyncIterator[Piece]:
    """One file of conversations; takes those that are in it off the end of `waiting`."""
    yield Piece(b"[")
    size, separator = 0, b"\n"
    while waiting and size < LARGEST_PART_BYTES:
        conversation = await store.find_conversation(owner, waiting.pop())
        if conversation is None:
            continue  # deleted meanwhile
        yield Piece(separator)
        separator = b",\n"
        async for piece in as_json(conversation):
            size += len(piece)
            yield Piece(piece)
        yield Piece(b"", 1)
    yield Piece(b"]\n")


async def _attachments(owner: UserId) -> AsyncIterator[ExportedFile]:
    """The files below `attachments/`, then `attachments.json`, which says of each what is known and where it is."""
    ids = await store.attachment_ids_of(owner)
    listing: list[dict[str, Any]] = []
    for start in range(0, len(ids), _PAGE):
        page = await store.attachments_among(owner, ids[start : start + _PAGE])
        for attachment in sorted(page.values(), key=lambda each: each.id):
            content = await file_at(attachment.key)
            path = None if content is None else f"attachments/{attachment.id}/{attachment.name}"
            listing.append(_told(attachment, path))
            if content is not None and path is not None:
                yield ExportedFile(path, _whole(content), is_packed=attachment.media_type.startswith("image/"))
    yield ExportedFile("attachments.json", listed("attachments", _each(listing)))


def _told(attachment: Attachment, path: str | None) -> dict[str, Any]:
    told = msgspec.structs.asdict(attachment)
    for name in ("user_id", "key"):
        del told[name]
    conversation_id = attachment.conversation_id
    return {
        **told,
        "id": str(attachment.id),
        "conversation_id": conversation_id and str(conversation_id),
        "path": path,
    }


async def _whole(content: bytes) -> AsyncIterator[Piece]:
    yield Piece(content)


async def _each(items: Sequence[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for item in items:
        yield item


async def _runs(owner: UserId) -> AsyncIterator[ExportedFile]:
    yield ExportedFile("runs.json", listed("runs", _each_run(owner)))


async def _each_run(owner: UserId) -> AsyncIterator[dict[str, Any]]:
    after: MessageId | None = None
    while page := await store.runs_at_rest_of(owner, after=after, limit=_PAGE):
        for run in page:
            yield {
                "id": str(run.id),
                "conversation_id": str(run.conversation_id),
                "message_id": str(run.message_id),
                "model": run.model,
                "status": run.status,
                "usage": run.usage,
                "error": run.error,
                "created_at": run.created_at,
                "first_token_at": run.first_token_at,
                "finished_at": run.finished_at,
            }
        after = page[-1].id


async def _imports(owner: UserId) -> AsyncIterator[ExportedFile]:
    yield ExportedFile("imports.json", listed("imports", _each_import(owner)))


async def _each_import(owner: UserId) -> AsyncIterator[dict[str, Any]]:
    before = None
    while page := await store.list_imports(owner, before=before, limit=_PAGE):
        for each in page:
            names = ("name", "size", "status", "added", "known", "failed", "problems", "created_at", "finished_at")
            yield {"id": str(each.id), **{name: getattr(each, name) for name in names}}
        before = page[-1].id
