"""Makes exports: one at a time in a process, and whatever a lost worker has left, which is begun anew.

The archive grows in a file on the disk, and goes to its storage when it is whole: a worker that is lost leaves nothing
that could be taken for an export.
"""

import asyncio
import contextlib
import hashlib
import secrets
import tempfile
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any, BinaryIO, Final

import structlog
from msgspec.structs import replace

from accounts import store
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.personal_data import wake
from accounts.personal_data.archive import Archive
from accounts.personal_data.exports import KEPT, remove
from accounts.personal_data.states import ExportStatus
from accounts.personal_data.storage import in_thread, keep_file, remove_file
from accounts.store import DataExport
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.database import is_passing
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.leases import LEASE_S, Lease, LeaseLost, Leaving
from eloquent.foundation.personal_data import ExportedFile, PersonalStore, personal_stores

log = structlog.get_logger(__name__)

TELL_EVERY_S: Final = 1.0
SWEEP_EVERY_S: Final = 300.0
MOST_ATTEMPTS: Final = 5
"""Workers that may be lost over one export: one that takes its process along must not take the next one, for ever."""
WRITTEN_TOGETHER_BYTES: Final = 256 * 1024
_TRY_AGAIN_S: Final = 10
_CHANCE_BYTES: Final = 4
_EXPIRED_AT_ONCE: Final = 100


async def run() -> None:
    """Make what was asked for, and delete what has expired, until cancelled."""
    loop = asyncio.get_running_loop()
    swept_at = loop.time() - SWEEP_EVERY_S

    async def work() -> None:
        nonlocal swept_at
        if loop.time() - swept_at >= SWEEP_EVERY_S:
            await sweep()
            swept_at = loop.time()
        while not lifecycle.is_draining() and (claimed := await _claim()) is not None:
            await Exporting(claimed).do()

    await wake.exports.run(work)


async def sweep() -> None:
    """Delete every export that nobody may fetch any more, with its file.

    Raises:
        ExportsAway: some could not be deleted; the next sweep meets them again.
    """
    while expired := await store.expired_exports(now(), limit=_EXPIRED_AT_ONCE):
        await remove(expired)


async def _claim() -> DataExport | None:
    at = now()
    return await store.claim_export(
        worker=lifecycle.worker_id(), at=at, lease_expires_at=at + timedelta(seconds=LEASE_S)
    )


class Exporting:
    """One export at work."""

    def __init__(self, claimed: DataExport) -> None:
        self._export = replace(claimed, documents_done=0)
        self._buffer = bytearray()
        self._buffered_documents = 0

    async def do(self) -> None:
        """Make it and bring it to rest; a shutdown leaves it to another worker.

        Raises:
            Exception: the database is away: the lease runs out, and another takes it up.
        """
        # What is written about it at the end is written when no renewal is on its way any more, which would undo it.
        try:
            async with Lease(self._renew, what="export", every_s=TELL_EVERY_S) as lease:
                await self._make(lease)
        except LeaseLost:
            log.info("an export was taken away", export=str(self._export.id))
        except (Leaving, asyncio.CancelledError) as ending:
            await asyncio.shield(self._give_back())
            if isinstance(ending, asyncio.CancelledError):
                raise
        except Exception as error:
            if is_passing(error):
                raise
            if isinstance(error, Unavailable):
                log.warning("an export waits for a storage", error=type(error).__name__)
            else:
                log.exception("an export broke", export=str(self._export.id))
            await self._put_off()

    async def _make(self, lease: Lease) -> None:
        if self._export.attempts > MOST_ATTEMPTS:
            await self._fail()
            return
        owner = self._export.user_id
        user = await store.user_by_id(owner)
        if user is None or not user.is_active:
            await self._fail()
            return
        places = [place for place in personal_stores() if place.export is not None]
        counts = [await place.count(owner) for place in places if place.count is not None]
        self._export = replace(self._export, documents=sum(counts))
        with tempfile.TemporaryFile(prefix="eloquent-export-") as file:
            await self._write(file, lease)
            size, sha256 = await in_thread(lambda: _measured(file))
            lease.require()
            # A name of its own for each attempt: a worker that was only late overwrites nobody's file.
            key = f"{owner}/{self._export.id}-{secrets.token_hex(_CHANCE_BYTES)}.zip"
            await keep_file(key, file)
        at = now()
        done = {"documents": self._export.documents_done, "size_bytes": size, "sha256": sha256, "key": key}
        try:
            await self._rest(ExportStatus.COMPLETE, expires_at=at + KEPT, **done)
        except LeaseLost:
            await remove_file(key)  # the account was closed meanwhile, or another worker makes it
            raise
        page = link("exports", "").rstrip("#")
        await post("export_ready", to=user.email, user_id=owner, context={"page": page, "expires_at": at + KEPT})

    async def _write(self, file: BinaryIO, lease: Lease) -> None:
        archive = Archive(file)
        for place in personal_stores():
            if place.export is None:
                continue
            async for exported in place.export(self._export.user_id):
                await self._add(archive, place, exported, lease)
        about = {"user_id": str(self._export.user_id), "made_at": now(), "places": _places()}
        await in_thread(lambda: archive.close(about))

    async def _add(self, archive: Archive, place: PersonalStore, exported: ExportedFile, lease: Lease) -> None:
        await in_thread(lambda: archive.begin(exported.name, place.name, is_packed=exported.is_packed))
        async with aclosing(exported.pieces) as pieces:  # type: ignore[type-var]  # they are generators
            async for piece in pieces:
                lease.require()
                self._buffer += piece.content
                self._buffered_documents += piece.documents
                if len(self._buffer) >= WRITTEN_TOGETHER_BYTES:
                    await self._flush(archive)
        await self._flush(archive)
        await in_thread(archive.end)

    async def _flush(self, archive: Archive) -> None:
        # Some pieces at once: a hop to the thread costs as much as compressing a kilobyte.
        content, documents = bytes(self._buffer), self._buffered_documents
        self._buffer.clear()
        self._buffered_documents = 0
        await in_thread(lambda: archive.write(content, documents))
        self._export = replace(self._export, documents_done=self._export.documents_done + documents)

    async def _renew(self) -> bool:
        until = now() + timedelta(seconds=LEASE_S)
        return await store.keep_export(replace(self._export, lease_expires_at=until))

    async def _rest(self, status: ExportStatus, **changes: Any) -> None:
        rested = replace(self._export, status=status, active=False, slot=None, finished_at=now(), **changes)
        if not await store.keep_export(rested):
            raise LeaseLost

    async def _fail(self) -> None:
        with contextlib.suppress(LeaseLost):
            await self._rest(ExportStatus.FAILED)

    async def _give_back(self) -> None:
        given = replace(self._export, status=ExportStatus.QUEUED, attempts=0, lease_expires_at=now())
        await store.keep_export(given)

    async def _put_off(self) -> None:
        later = now() + timedelta(seconds=_TRY_AGAIN_S * self._export.attempts)
        await store.keep_export(replace(self._export, status=ExportStatus.QUEUED, lease_expires_at=later))


def _places() -> list[dict[str, Any]]:
    """Every place of the register: what an export shows of it, or why nothing."""
    return [
        {
            "name": place.name,
            "what": place.what,
            "exported": place.export is not None,
            "because": place.not_exported,
        }
        for place in personal_stores()
    ]


def _measured(file: BinaryIO) -> tuple[int, str]:
    """The file's length, and its SHA-256 in hex."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    read: Callable[[], bytes] = lambda: file.read(WRITTEN_TOGETHER_BYTES)  # noqa: E731 - told to iter
    for piece in iter(read, b""):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
