"""The queue in front of one server: who is admitted, what those who wait are told, and what becomes of a place.

With Redis the line is there (`shared`), and a task of this process, the keeper, says what its calls are doing: at once
when one comes or leaves, and every `RENEWED_EVERY_S` for their leases. Without Redis, or while it is away, the line is
that of this process alone, with the same order and the same limit.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Final

import structlog
from redis.exceptions import RedisError

from eloquent.foundation.tasks import end_task
from inference.admission.limits import Limit
from inference.admission.line import PRIORITIES, Line, Ticket
from inference.admission.place import Place
from inference.admission.shared import ADMITTED, FULL, Answer, SharedLine
from inference.billing.types import Purpose

log = structlog.get_logger(__name__)

LEASE_S: Final = 10.0
"""The place of a dead worker is free this long after its last renewal, and those of `RENEWED_EVERY_S` later at most."""
RENEWED_EVERY_S: Final = 3.0
TOLD_EVERY_S: Final = 1.0
"""At most so often one who waits is told of a new position."""

_TRUSTED: Final = 0.8
"""Of a lease: what was heard longer ago than this may not be so any more."""
_ANSWER_S: Final = 1.0
_ASKED_AGAIN_AFTER_S: Final = 1.0
_UNKNOWN_RETRY_S: Final = 5.0
_LONGEST_RETRY_S: Final = 60.0
_NEWEST_COUNTS: Final = 0.2


class Queue:
    """Belongs to one event loop.

    Args:
        name: the provider's.
        shared: the line for all processes; None when this is the only one.
        renewed_every_s: far less than the lease of `shared`.
    """

    def __init__(
        self, name: str, limit: Limit, *, shared: SharedLine | None = None, renewed_every_s: float = RENEWED_EVERY_S
    ) -> None:
        self.name = name
        self._limit = limit
        self._shared = shared
        self._renewed_every_s = renewed_every_s
        self._line = Line()
        self._places: dict[str, Place] = {}
        # Not said to Redis yet, in order.
        self._left: dict[str, None] = {}
        self._new: dict[str, None] = {}
        self._alone = shared is None
        self._told_alone = False
        self._service_s: float | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._line_changed = False
        self._in_doubt = False
        self._renewed_at = 0.0
        self._ask_again_at = 0.0

    @property
    def at_work(self) -> int:
        """This process's calls that are admitted."""
        return len(self._line.admitted)

    @property
    def waiting(self) -> int:
        """This process's calls that wait."""
        return self._line.waiting

    def enter(self, user: str, purpose: Purpose, *, moved: asyncio.Event) -> Place:
        """A place for one call of the user's; `moved` is set whenever it moves. Whoever asks for it calls `leave`."""
        ticket = Ticket(PRIORITIES[purpose], user, secrets.token_hex(8))
        place = Place(ticket, moved)
        # Redis may be back: a first call is not admitted on the strength of what was so a while ago.
        if self._alone and self._shared is not None and not self._places and self._now > self._ask_again_at:
            self._alone = False
        if self._alone and self.at_work >= self._limit.slots and self._line.waiting >= self._limit.waiting:
            place.refuse()
            return place
        self._places[ticket.key] = place
        self._line.join(ticket)
        self._new[ticket.key] = None
        self._changed()
        return place

    def leave(self, place: Place, *, served: bool = False) -> None:
        """Give the place back, waiting or at work; safe to repeat. `served` when its time tells how long calls take."""
        if self._places.pop(place.ticket.key, None) is None:
            return
        if served and place.admitted_at is not None:
            took_s = self._now - place.admitted_at
            before_s = took_s if self._service_s is None else self._service_s
            self._service_s = before_s + (took_s - before_s) * _NEWEST_COUNTS
        self._line.leave(place.ticket)
        self._new.pop(place.ticket.key, None)
        if self._shared is not None:
            self._left[place.ticket.key] = None
        self._changed()

    def eta_s(self, position: int) -> float | None:
        """In how many seconds this position is likely to be admitted; None while no call has been seen to its end."""
        return None if self._service_s is None else round(self._service_s * position / self._limit.slots, 1)

    def retry_after_s(self) -> float:
        """When it is worth asking again after the line was full: when the last of those who wait now has had a turn."""
        likely_s = self.eta_s(max(self._limit.waiting, 1))
        return _UNKNOWN_RETRY_S if likely_s is None else min(max(likely_s, 1.0), _LONGEST_RETRY_S)

    async def is_full(self) -> bool:
        """Whether a call that came now would be refused. While Redis is away: by this process."""
        if self._shared is not None and not self._alone:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    return (await self._shared.ask(left=(), calls={})).is_full
            except (RedisError, OSError):
                return False  # whoever enters will find out
        return self._line.waiting >= self._limit.waiting and self.at_work >= self._limit.slots

    def ring(self, admitted: Sequence[str], *, lost: bool = False) -> None:
        """Another process has changed the line, and admitted these. `lost`: or it may have, and nobody heard of it."""
        if self._alone or not self._places:
            return
        if not lost and self._now - self._renewed_at < self._trusted_s:
            self._admit(admitted)
        elif self._line.waiting:
            self._in_doubt = True
        self._line_changed = True
        self._news.set()

    async def aclose(self) -> None:
        """Give all places back, to Redis too if it answers at once. Whoever waits is refused."""
        for place in list(self._places.values()):
            self.leave(place)
            place.refuse()
        if self._keeper is not None:
            # It ends by itself once it has said so.
            await asyncio.wait([self._keeper], timeout=_ANSWER_S)
            await end_task(self._keeper)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _trusted_s(self) -> float:
        return 0.0 if self._shared is None else self._shared.lease_s * _TRUSTED

    def _changed(self) -> None:
        """A call came or left."""
        if self._alone:
            self._settle_alone()
        if self._shared is None:
            return
        self._news.set()
        if self._keeper is None or self._keeper.done():
            # A context of its own: the keeper outlives the request that it was made in.
            self._keeper = asyncio.create_task(self._keep(self._shared), name=f"queue {self.name}", context=Context())

    def _settle_alone(self) -> None:
        """Admit by what this process knows, and tell the others where they are."""
        while self.at_work < self._limit.slots and (ticket := self._line.first()) is not None:
            self._admit([ticket.key])
        for position, ticket in enumerate(self._line.order(), 1):
            self._places[ticket.key].move(position)

    def _admit(self, keys: Sequence[str]) -> None:
        for key in keys:
            place = self._places.get(key)
            if place is not None and place.admitted_at is None:
                self._line.admit(place.ticket)
                place.admit(self._now)

    async def _keep(self, shared: SharedLine) -> None:
        """Keep Redis and this process of one mind while it has calls, or something to say."""
        while self._places or (self._left and not self._alone):
            self._news.clear()
            pause_s = self._due_at() - self._now
            if pause_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._news.wait()
                continue
            await self._synchronise(shared)
        self._left.clear()  # while Redis is away: their leases end by themselves

    def _due_at(self) -> float:
        if self._alone:
            return self._ask_again_at
        if self._new or self._left or self._in_doubt:
            return 0.0
        if self._line_changed and self._line.waiting:
            return min(self._renewed_at + TOLD_EVERY_S, self._renewed_at + self._renewed_every_s)
        return self._renewed_at + self._renewed_every_s

    async def _synchronise(self, shared: SharedLine) -> None:
        sent_at = self._now
        # Who joins names all its calls: a Redis that has lost its data must not take the new one for the only one.
        is_due = sent_at >= self._renewed_at + min(self._renewed_every_s, TOLD_EVERY_S)
        renews = is_due or self._alone or self._in_doubt or bool(self._new)
        if renews:
            self._line_changed = self._in_doubt = False  # what is heard from here on may not be in the answer
        left = list(self._left)
        calls = {key: place.state for key, place in self._places.items()} if renews else {}
        try:
            answer = await self._ask(shared, left, calls)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody's answer waits for it
            self._go_alone(error)
            return
        for key in left:
            self._left.pop(key, None)
        if self._alone or self._told_alone:
            self._alone = self._told_alone = False
            log.info("the queue is shared again", queue=self.name)
        if renews:
            self._renewed_at = sent_at
        if self._now - sent_at >= self._trusted_s:
            self._in_doubt = True  # we were asleep: what was true then is asked again
            return
        self._apply(answer)

    async def _ask(self, shared: SharedLine, left: Sequence[str], calls: Mapping[str, str]) -> Answer:
        for last in (False, True):
            try:
                async with asyncio.timeout(_ANSWER_S):
                    return await shared.ask(left=left, calls=calls)
            except (RedisError, OSError):
                # A process that was frozen finds its time over, and its connection closed: that is not Redis's doing.
                if last:
                    raise
        raise AssertionError

    def _apply(self, answer: Answer) -> None:
        for key, state in answer.states.items():
            self._new.pop(key, None)
            place = self._places.get(key)
            if place is None or place.admitted_at is not None:
                continue
            if state == ADMITTED:
                self._admit([key])
            elif state == FULL:
                self.leave(place)
                self._left.pop(key, None)  # it was never there
                place.refuse()
            else:
                place.move(state)
        self._admit(answer.admitted)

    def _go_alone(self, error: Exception) -> None:
        if not self._told_alone:
            self._told_alone = True
            log.warning("Redis is away: this process keeps a queue of its own", queue=self.name, error=repr(error))
        self._alone = True
        self._new.clear()
        self._ask_again_at = self._now + _ASKED_AGAIN_AFTER_S
        self._settle_alone()
