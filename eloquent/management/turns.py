"""One process at a time brings the database up to date: a lease in MongoDB, which needs no migration to be there.

Times are the database's, because the clocks of machines differ. Whoever holds the lease renews it; when that process
was killed, or froze, the lease runs out and the next one begins.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from pymongo.errors import DuplicateKeyError, PyMongoError

from eloquent.foundation.database import close_database, database, is_passing
from eloquent.foundation.leases import LEASE_S, Lease, LeaseLost
from eloquent.foundation.lifecycle import worker_id

MAINTENANCE: Final = "maintenance"
"""The collection: a document a job, with its holder and the end of its lease."""
JOB: Final = "migrations"
_STOPPED: Final = "Stopped. The next one goes on."
_LOOK_EVERY_S: Final = 0.5
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEASE_FROM_NOW: Final = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": int(LEASE_S * 1000)}}


class StillBusy(Exception):
    """The turn did not come in time; the sentence says who has it, or that the database is away."""


async def in_turn(work: Callable[[], None], *, wait_s: float, say: Callable[[str], object]) -> None:
    """Run the work, in a thread, when no other process runs it; returns when it is done.

    Args:
        work: begins anew what another one left half done. It is not stopped when the lease is lost: the process ends.
        wait_s: how long to wait for another's end, or for a database that is away.
        say: tells an operator who is waited for.

    Raises:
        StillBusy: as it says.
        Exception: whatever the work raises.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _leave, _STOPPED)
    working: asyncio.Future[None] | None = None
    try:
        await _wait_for_turn(wait_s, say)
        try:
            async with Lease(_renew, what="migration") as lease:
                working = asyncio.ensure_future(asyncio.to_thread(work))
                while not working.done():
                    await asyncio.wait({working}, timeout=_LOOK_EVERY_S)
                    lease.require()
                await working
        except LeaseLost:
            _leave("The lease was lost: another process may be at it.")
        finally:
            if working is not None and not working.done():
                _leave(_STOPPED)  # cancelled, by whomever: the thread goes on, and the turn must not be another's
            await _release()
    finally:
        await close_database()


async def _wait_for_turn(wait_s: float, say: Callable[[str], object]) -> None:
    give_up = asyncio.get_running_loop().time() + wait_s
    told = ""
    while (obstacle := await _take()) is not None:
        if asyncio.get_running_loop().time() >= give_up:
            raise StillBusy(f"{obstacle} Waited for {wait_s:g} s.")
        if obstacle != told:
            say(obstacle)
            told = obstacle
        await asyncio.sleep(_LOOK_EVERY_S)


async def _take() -> str | None:
    """None when the lease is ours now, else what is in the way."""
    jobs = database()[MAINTENANCE]
    free: dict[str, Any] = {"_id": JOB, "$expr": {"$lte": ["$lease_expires_at", "$$NOW"]}}
    taken = {"holder": worker_id(), "lease_expires_at": _LEASE_FROM_NOW}
    try:
        # Not an upsert: MongoDB makes none with `$expr`.
        if await jobs.find_one({"_id": JOB}) is None:
            with contextlib.suppress(DuplicateKeyError):  # another process's first time, too
                await jobs.insert_one({"_id": JOB, "holder": "", "lease_expires_at": _LONG_AGO})
        if await jobs.find_one_and_update(free, [{"$set": taken}]) is not None:
            return None
        holder = await jobs.find_one({"_id": JOB})
    except PyMongoError as error:
        if not is_passing(error):
            raise
        return f"MongoDB is away ({type(error).__name__})."
    return f"{holder['holder'] if holder else 'Another process'} is migrating."


async def _renew() -> bool:
    ours = {"_id": JOB, "holder": worker_id()}
    return (
        await database()[MAINTENANCE].find_one_and_update(ours, [{"$set": {"lease_expires_at": _LEASE_FROM_NOW}}])
        is not None
    )


async def _release() -> None:
    try:
        ours = {"_id": JOB, "holder": worker_id()}
        await database()[MAINTENANCE].update_one(ours, {"$set": {"holder": "", "lease_expires_at": _LONG_AGO}})
    except PyMongoError as error:
        sys.stderr.write(f"The lease runs out by itself ({type(error).__name__}).\n")


def _leave(why: str) -> NoReturn:
    """End at once: the thread that migrates cannot be stopped, and must not go on when it is another's turn."""
    sys.stdout.flush()
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(1)
