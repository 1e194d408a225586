"""A call's turn at one of the servers that can answer it: its places in their lines, and what it is told meanwhile.

It stands in the line of the server that it would like best. Where it has to wait there, it stands in the lines of the
others too, goes where its turn comes first, and gives the other places back. A server without a line takes it at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from eloquent.foundation.telemetry import metrics
from inference.admission.place import Place
from inference.admission.queue import TOLD_EVERY_S, Queue
from inference.billing.types import Purpose
from inference.errors import ModelBusy
from inference.types import Status

TRIED_AGAIN_AFTER_S: Final = 1.0
"""A line that was full is stood in again after this, while the call waits in another."""


class Turn:
    """The turn of one call of a user's, which goes through `until_admitted`.

    Whoever is admitted where it does not want to be after all goes to `pass_over` and waits again; else it goes to
    `stay`. `leave` is the end, whatever came before.

    Args:
        queues: those of the servers, best first, one at least; None for one that takes all that come.
    """

    def __init__(self, queues: Sequence[Queue | None], user: str, purpose: Purpose) -> None:
        self._queues = queues
        self._caller = user, purpose
        self._moved = asyncio.Event()
        self._places: dict[int, Place] = {}
        self._passed: set[int] = set()
        self._entered_at = self._now
        self._tried_at = self._now
        self._has_waited = False
        self._is_noted = all(queue is None for queue in queues)  # where all that come are taken nobody waits

    @property
    def admitted_to(self) -> int:
        """Which of the servers, by its number; -1 while it waits."""
        for number, queue in enumerate(self._queues):
            if number in self._passed:
                continue
            if queue is None:
                return number
            place = self._places.get(number)
            if place is not None and place.admitted_at is not None:
                return number
        return -1

    async def until_admitted(self, *, model: str, within_s: float) -> AsyncGenerator[Status, None]:
        """Where the call stands, as it moves, at most once in `TOLD_EVERY_S`; ends when it is admitted.

        Closed or cancelled before that, or with an error, its places are given back.

        Raises:
            ModelBusy: there is no room to wait at any of the servers, or it has waited for `within_s`.
        """
        told: int | None = None
        told_at = -TOLD_EVERY_S
        try:
            self._stand()
            while self.admitted_to < 0:
                waited_s = self._now - self._entered_at
                self._stand()
                if waited_s >= within_s or all(place.is_full for place in self._places.values()):
                    raise ModelBusy(model, retry_after_s=self._retry_after_s(), asked=False)
                pause_s = within_s - waited_s
                if any(place.is_full for place in self._places.values()):
                    pause_s = min(pause_s, self._tried_at + TRIED_AGAIN_AFTER_S - self._now)
                position = min(self._positions().values(), default=None)
                if position is not None and position != told:
                    if self._now - told_at >= TOLD_EVERY_S:
                        told, told_at = position, self._now
                        yield Status("queued", round(waited_s, 1), told, self._eta_s())
                        continue  # whoever reads may have been slow
                    pause_s = min(pause_s, told_at + TOLD_EVERY_S - self._now)
                await self._until_moved(max(pause_s, 0.0))
        except BaseException:
            self.leave()
            raise

    def pass_over(self) -> None:
        """Not where it was admitted: that place is given back, the others are kept."""
        number = self.admitted_to
        self._passed.add(number)
        self._leave(number)

    def stay(self) -> None:
        """Where it was admitted: the other places are given back."""
        chosen = self.admitted_to
        self._note_wait()
        for number in list(self._places):
            if number != chosen:
                self._leave(number)

    def leave(self, *, served: bool = False) -> None:
        """Give back what it has; safe to repeat. `served` when its time tells how long calls take."""
        if self._has_waited:
            self._note_wait()  # in vain, unless that is noted: those are the longest. Who found no room did not wait.
        for number in list(self._places):
            self._leave(number, served=served)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _note_wait(self) -> None:
        """How long it took, for operators, once."""
        if not self._is_noted:
            self._is_noted = True
            metrics.queue_wait.observe((self._now - self._entered_at) * 1000)

    def _leave(self, number: int, *, served: bool = False) -> None:
        place, queue = self._places.pop(number, None), self._queues[number]
        if place is not None and queue is not None:
            queue.leave(place, served=served)

    def _stand(self) -> None:
        """Stand in the best line; once that makes it wait, in all of them, and now and then in those that were full."""
        is_due = self._now - self._tried_at >= TRIED_AGAIN_AFTER_S
        if is_due:
            self._tried_at = self._now
        for number, queue in enumerate(self._queues):
            if queue is None or number in self._passed:
                continue
            place = self._places.get(number)
            if place is None or (place.is_full and is_due):
                place = self._places[number] = queue.enter(*self._caller, moved=self._moved)
            if not place.is_full and place.position is None:
                return  # nothing is known of it yet, or it is admitted

    def _positions(self) -> dict[int, int]:
        """Where it stands in the lines that it waits in, by their numbers."""
        return {number: place.position for number, place in self._places.items() if place.position is not None}

    def _eta_s(self) -> float | None:
        pairs = ((self._queues[number], position) for number, position in self._positions().items())
        guesses = [queue.eta_s(position) for queue, position in pairs if queue is not None]
        return min((guess for guess in guesses if guess is not None), default=None)

    def _retry_after_s(self) -> float:
        return min(queue.retry_after_s() for queue in self._queues if queue is not None)

    async def _until_moved(self, within_s: float) -> None:
        """Return when something has changed since the last return, or the time is over."""
        self._has_waited = True
        try:
            async with asyncio.timeout(within_s):
                await self._moved.wait()
        except TimeoutError:
            return
        self._moved.clear()
