"""Erases accounts: one at a time in a process, and whatever a lost worker has left.

    close ─▶ count ─▶ erase, place by place ─▶ sweep until nothing is found ─▶ the user ─▶ receipt ─▶ sweep, later

Every step can be done again, so whoever takes an erasure up begins at the first. What leads to other things goes after
them and the user's own row last: until then all that is left can be found by its owner. Before it the places are swept
until a whole round finds nothing, because a request that was let in a moment earlier may have written behind a step's
back; and an hour later once more, for what an answer has written that nobody could stop.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.personal_data.closing import close_account
from accounts.personal_data.receipts import receipt_of, signed
from accounts.personal_data.states import ErasureStatus
from accounts.store import Erasure
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.database import is_passing
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.ids import UserId
from eloquent.foundation.leases import LEASE_S, Lease, LeaseLost, Leaving
from eloquent.foundation.looking import Looker
from eloquent.foundation.personal_data import PersonalStore, Stage, personal_stores
from eloquent.foundation.sealing import SealBroken, unseal

log = structlog.get_logger(__name__)

SEALED_FOR: Final = "last letter"
SETTLES_AFTER_S: Final = 3.0
"""A request may be let in for a second after its session ended, and takes a moment to write."""
LATE_SWEEP_AFTER: Final = timedelta(hours=1)
"""Longer than any answer may take."""
MOST_ROUNDS: Final = 20
_WAIT_FIRST_S: Final = 5
_WAIT_MOST_S: Final = 3600

_looker = Looker("erasures", every_s=2.0)


class LastLetter(msgspec.Struct, frozen=True):
    """What is kept of the person until the end: where the receipt goes, and its token."""

    to: str
    token: str


class StillWritten(Exception):
    """Something goes on writing for the account."""


def look_now() -> None:
    """An erasure was asked for here: the looker need not wait for its next look."""
    _looker.look_now()


async def run() -> None:
    """Erase what is due until cancelled; then the one at work waits for another worker."""
    await _looker.run(_erase_all)


async def _erase_all() -> None:
    while not lifecycle.is_draining() and (claimed := await _claim()) is not None:
        await Erasing(claimed).do()


async def _claim() -> Erasure | None:
    at = now()
    return await store.claim_erasure(
        worker=lifecycle.worker_id(), at=at, lease_expires_at=at + timedelta(seconds=LEASE_S)
    )


class Erasing:
    """One erasure at work."""

    def __init__(self, claimed: Erasure) -> None:
        self._erasure = claimed

    async def do(self) -> None:
        """Go as far as can be gone. What is away puts it off, a shutdown leaves it to another; it is never given up.

        Raises:
            Exception: the database is away: the lease runs out, and another takes it up.
        """
        # What is written about it at the end is written when no renewal is on its way any more, which would undo it.
        try:
            async with Lease(self._renew, what="erasure") as lease:
                await self._work(lease)
        except LeaseLost:
            log.info("an erasure was taken away", erasure=str(self._erasure.id))
            await self._undo_closing()
        except (Leaving, asyncio.CancelledError) as ending:
            await asyncio.shield(self._give_back())
            if isinstance(ending, asyncio.CancelledError):
                raise
        except Exception as error:
            if is_passing(error):
                raise
            about = {"erasure": str(self._erasure.id), "step": self._erasure.step}
            if isinstance(error, Unavailable):
                log.warning("an erasure is put off", error=type(error).__name__, **about)
            else:
                log.exception("an erasure is put off", **about)
            await self._put_off(error)

    async def _work(self, lease: Lease) -> None:
        erasure, owner = self._erasure, self._erasure.user_id
        if owner is None:
            await self._keep(active=False)
            return
        if erasure.status is ErasureStatus.COMPLETE:
            await self._sweep_late(owner, lease)
            return
        await close_account(owner)
        if erasure.closed_at is None:
            await self._keep(closed_at=now())
        if erasure.due_at > now():
            await self._keep(status=ErasureStatus.WAITING, attempts=0, lease_expires_at=erasure.due_at)
            return
        await self._count(owner)
        await self._settle(lease)
        places = personal_stores()
        for place in places:
            if place.stage is not Stage.PERSON:
                await self._erase(place, owner, lease)
        await self._sweep(owner, lease)
        for place in places:
            if place.stage is Stage.PERSON:
                await self._erase(place, owner, lease)
        await self._finish()

    async def _count(self, owner: UserId) -> None:
        """Count everything once, before anything is gone: a worker that is lost on the way changes no number."""
        if self._erasure.started_at is not None:
            return
        counts = {place.name: await place.count(owner) for place in personal_stores() if place.count is not None}
        await self._keep(counts=counts, started_at=now(), status=ErasureStatus.RUNNING)

    async def _settle(self, lease: Lease) -> None:
        """Wait until whoever was let in before has written."""
        closed_at = self._erasure.closed_at or now()
        lease.require()
        await asyncio.sleep(max(0.0, SETTLES_AFTER_S - (now() - closed_at).total_seconds()))

    async def _erase(self, place: PersonalStore, owner: UserId, lease: Lease) -> None:
        if place.erase is None:
            return
        await self._keep(step=place.name)
        if place.stage is Stage.RECORD:
            await self._record(owner)
        lease.require()
        while await place.erase(owner):
            lease.require()

    async def _record(self, owner: UserId) -> None:
        """See that the record says who was erased before it loses what could be traced to them."""
        if await store.erasure_is_recorded(owner):
            return
        await record(Action.ERASED, subject=owner, target=f"erasure:{self._erasure.id}")
        if not await store.erasure_is_recorded(owner):
            # It waits in memory for a database that was away a moment ago.
            raise Unavailable("The erasure is not recorded yet.")

    async def _sweep(self, owner: UserId, lease: Lease) -> None:
        """Erase all places again until a round finds nothing.

        Raises:
            StillWritten: it never does.
        """
        await self._keep(step="sweep")
        for _ in range(MOST_ROUNDS):
            await close_account(owner)
            if not await self._round(owner, lease):
                return
        raise StillWritten

    async def _round(self, owner: UserId, lease: Lease) -> int:
        found = 0
        for place in personal_stores():
            if place.erase is None or place.stage is Stage.PERSON:
                continue
            while more := await place.erase(owner):
                lease.require()
                found += more
                if place.count is not None:
                    await store.count_erased(self._erasure, place.name, more)
        return found

    async def _finish(self) -> None:
        at = now()
        found = await self._kept(step="", finished_at=at)
        # As it will stand: what is signed is what is kept.
        done = msgspec.structs.replace(found, status=ErasureStatus.COMPLETE)
        receipt = signed(receipt_of(done, personal_stores()))
        # Sent twice rather than never, if this worker is lost before the next line.
        await self._send_last_letter(found)
        await self._keep(
            status=ErasureStatus.COMPLETE,
            receipt=receipt,
            sealed="",
            cancel_hash="",
            problem="",
            attempts=0,
            lease_expires_at=at + LATE_SWEEP_AFTER,
        )
        log.info("an account is erased", erasure=str(self._erasure.id))

    async def _send_last_letter(self, erasure: Erasure) -> None:
        if not erasure.sealed:
            return
        try:
            letter = msgspec.json.decode(unseal(erasure.sealed, SEALED_FOR), type=LastLetter)
        except SealBroken:
            log.exception("the last letter cannot be read: nobody gets it", erasure=str(erasure.id))
            return
        await post("erasure_done", to=letter.to, user_id=None, context={"receipt": link("erased", letter.token)})

    async def _undo_closing(self) -> None:
        """Open the account again that was closed here in the moment in which its erasure was taken back."""
        stored = await store.erasure_by_token(self._erasure.token_hash)
        if stored is None or stored.status is not ErasureStatus.CANCELLED or self._erasure.user_id is None:
            return
        if stored.was_active:
            await store.reopen_user(self._erasure.user_id)

    async def _sweep_late(self, owner: UserId, lease: Lease) -> None:
        found = 0
        for place in personal_stores():
            while place.erase is not None and (more := await place.erase(owner)):
                lease.require()
                found += more
        await self._keep(active=False, user_id=None)
        if found:
            log.info("what was written for an erased account is gone, too", erasure=str(self._erasure.id), many=found)

    async def _renew(self) -> bool:
        until = now() + timedelta(seconds=LEASE_S)
        return await store.keep_erasure(self._erasure, lease_expires_at=until) is not None

    async def _kept(self, **changes: Any) -> Erasure:
        kept = await store.keep_erasure(self._erasure, **changes)
        if kept is None:
            raise LeaseLost
        self._erasure = kept
        return kept

    async def _keep(self, **changes: Any) -> None:
        await self._kept(**changes)

    async def _give_back(self) -> None:
        with contextlib.suppress(LeaseLost):
            await self._keep(attempts=0, lease_expires_at=now())

    async def _put_off(self, error: Exception) -> None:
        attempts = self._erasure.attempts
        wait_s = min(_WAIT_FIRST_S * 2 ** min(attempts - 1, 10), _WAIT_MOST_S)
        with contextlib.suppress(LeaseLost):
            await self._keep(problem=type(error).__name__, lease_expires_at=now() + timedelta(seconds=wait_s))
