"""Exports of all that an account holds: asked for, looked at, fetched, deleted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from bson import ObjectId

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import ExportAtWork, ExportNotReady
from accounts.personal_data import wake
from accounts.personal_data.states import ExportStatus
from accounts.personal_data.storage import is_there, remove_file, remove_files_below
from accounts.store import DataExport
from eloquent.foundation import cursors
from eloquent.foundation.clock import now
from eloquent.foundation.errors import InvalidInput, NotFound
from eloquent.foundation.ids import UserId

KEPT: Final = timedelta(days=7)
"""How long an export can be fetched, or its failure be read."""
_AT_ONCE: Final = 20


class ExportsPage(NamedTuple):
    """Exports, newest first."""

    items: list[DataExport]
    next_cursor: str | None


async def ask_for_export(owner: UserId, *, device: Device) -> DataExport:
    """A new export, which a worker makes.

    Raises:
        ExportAtWork: the owner's last one is not ready yet.
    """
    at = now()
    made = DataExport(
        id=ObjectId(),
        user_id=owner,
        status=ExportStatus.QUEUED,
        slot=1,
        lease_expires_at=at,
        created_at=at,
        expires_at=at + KEPT,
    )
    if not await store.add_export(made):
        raise ExportAtWork
    await record(Action.EXPORT_ASKED, actor=owner, subject=owner, device=device, target=f"export:{made.id}")
    wake.exports.look_now()
    return made


async def exports_of(owner: UserId, *, cursor: str | None, limit: int) -> ExportsPage:
    """The owner's exports, newest first.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    found = await store.exports_of(owner, before=_position(cursor) if cursor else None, limit=limit + 1)
    page = found[:limit]
    return ExportsPage(page, cursors.encode([str(page[-1].id)]) if len(found) > limit else None)


async def export_of(owner: UserId, export_id: ObjectId) -> DataExport:
    """The owner's export.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    found = await store.find_export(owner, export_id)
    if found is None:
        raise _none_such()
    return found


async def fetched_export(owner: UserId, export_id: ObjectId) -> DataExport:
    """The owner's export, whose file can be read.

    Raises:
        NotFound: none with this id, another user's, or its file is gone.
        ExportNotReady: it is not made yet, or could not be.
        ExportsAway: it cannot be known.
    """
    found = await export_of(owner, export_id)
    if found.status is not ExportStatus.COMPLETE:
        raise ExportNotReady
    if found.expires_at <= now() or not await is_there(found.key):
        raise _none_such()
    return found


async def halt(owner: UserId) -> None:
    """End the owner's exports that are being made."""
    await store.end_exports_of(owner, at=now())


async def erase_some(owner: UserId) -> int:
    """Delete some of the owner's exports, files first, and behind the last one files that no export knows of.

    Raises:
        ExportsAway: some files may still be there.
    """
    found = await store.exports_to_erase(owner, limit=_AT_ONCE)
    return await remove(found) if found else await remove_files_below(str(owner))


async def remove(exports: Sequence[DataExport]) -> int:
    """Delete the files, then what is known of them; how many.

    Raises:
        ExportsAway: some files may still be there.
    """
    for each in exports:
        if each.key:
            await remove_file(each.key)
    return await store.forget_exports(exports)


def _position(cursor: str) -> ObjectId:
    match cursors.decode(cursor):
        case [str(text)] if ObjectId.is_valid(text):
            return ObjectId(text)
    raise InvalidInput("This cursor does not belong to this list.")


def _none_such() -> NotFound:
    return NotFound("There is no such export.")
