"""Files of conversations that arrive in pieces over HTTP: announced, sent from where they are, watched, cancelled."""

from datetime import timedelta
from typing import Final, NamedTuple

from bson import ObjectId

from chat import store
from chat.errors import ImportOffset, TooManyImports
from chat.imports import job
from chat.types import Import, ImportChunk, ImportStatus
from eloquent.foundation import cursors
from eloquent.foundation.clock import now
from eloquent.foundation.errors import InvalidInput, NotFound
from eloquent.foundation.ids import ImportId, UserId

LARGEST_FILE: Final = 512 * 1024 * 1024
ARRIVES_WITHIN: Final = timedelta(days=1)
"""An upload that is not complete by then is deleted."""
_CHUNKS_KEPT: Final = timedelta(days=2)


class ImportsPage(NamedTuple):
    """Imports, newest first."""

    items: list[Import]
    next_cursor: str | None


async def announce_import(owner: UserId, *, name: str, size: int) -> Import:
    """A new import whose bytes are awaited.

    Raises:
        TooManyImports: the owner has as many unfinished ones as are allowed.
    """
    at = now()
    made = Import(
        id=ObjectId(),
        user_id=owner,
        name=name,
        size=size,
        status=ImportStatus.UPLOADING,
        problems=[],
        lease_expires_at=at,
        created_at=at,
        expires_at=at + ARRIVES_WITHIN,
    )
    added = await store.add_import(made)
    if added is None:
        raise TooManyImports
    return added


async def receive_chunk(owner: UserId, import_id: ImportId, content: bytes, *, offset: int) -> Import:
    """Take bytes that begin where the received ones end; with the last one the file waits for a worker.

    Raises:
        ImportOffset: they begin elsewhere, or nothing more is awaited; `received` says where to go on.
        InvalidInput: no bytes, or more than were announced.
        NotFound: none with this id, or another user's.
    """
    found = await import_of(owner, import_id)
    if found.status is not ImportStatus.UPLOADING or offset != found.received:
        raise ImportOffset(found.received, found.status)
    if not content:
        raise InvalidInput("There are no bytes in this piece.")
    if offset + len(content) > found.size:
        raise InvalidInput(f"That is more than the {found.size:,} bytes that were announced.")
    chunk = ImportChunk(
        id=ObjectId(),
        upload_id=import_id,
        offset=offset,
        content=content,
        expires_at=found.created_at + _CHUNKS_KEPT,
    )
    taken = await store.add_chunk(owner, chunk, at=now())
    if taken is None:
        left = await store.find_import(owner, import_id)
        if left is None or left.status is ImportStatus.CANCELLED:
            # It was the owner's a moment ago. Erased with its account, it leads nobody to these bytes any more.
            await store.forget_chunks(import_id)
        found = await import_of(owner, import_id)
        raise ImportOffset(found.received, found.status)
    if taken.status is ImportStatus.QUEUED:
        job.look_now()
    return taken


async def import_of(owner: UserId, import_id: ImportId) -> Import:
    """The owner's import.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    found = await store.find_import(owner, import_id)
    if found is None:
        raise NotFound("There is no such import.")
    return found


async def imports_of(owner: UserId, *, cursor: str | None, limit: int) -> ImportsPage:
    """A page of the owner's imports.

    Raises:
        InvalidInput: the cursor is none of ours.
    """
    before = None
    if cursor is not None:
        position = cursors.decode(cursor)
        if not isinstance(position, list) or len(position) != 1 or not ObjectId.is_valid(position[0]):
            raise InvalidInput("This cursor is not one of ours.")
        before = ObjectId(position[0])
    found = await store.list_imports(owner, before=before, limit=limit + 1)
    more = len(found) > limit
    return ImportsPage(found[:limit], cursors.encode([str(found[limit - 1].id)]) if more else None)


async def cancel_import(owner: UserId, import_id: ImportId) -> Import:
    """End the import; what was imported stays. One that is at rest stays as it is.

    Raises:
        NotFound: none with this id, or another user's.
    """
    at = now()
    cancelled = await store.cancel_import(owner, import_id, at=at, expires_at=at + job.KEPT)
    if cancelled is None:
        return await import_of(owner, import_id)
    await store.forget_chunks(import_id)
    return cancelled
