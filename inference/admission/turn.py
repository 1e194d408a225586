"""A call's turn at one of the servers that can answer it: its places in their lines, and what it is told meanwhile.

It stands in the line of the server that it would like best. Where it has to wait there, it stands in the lines of the
others too, goes where its turn comes first, and gives the other places back.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from inference.admission.place import Place
from inference.admission.queue import TOLD_EVERY_S, Queue
from inference.billing.types import Purpose
from inference.errors import ModelBusy
from inference.types import Status


class Turn:
    """The turn of one call of a user's. Whoever makes it goes through `until_admitted`, and calls `leave` in the end.

    `queues` are those of the servers, best first; one at least.
    """

    def __init__(self, queues: Sequence[Queue], user: str, purpose: Purpose) -> None:
        self._queues = queues
        self._caller = user, purpose
        self._moved = asyncio.Event()
        self._places: list[tuple[Queue, Place]] = []
        self._entered_at = asyncio.get_running_loop().time()
        self._enter(queues[0])

    @property
    def admitted_to(self) -> int | None:
        """Which of the servers, by its number; None while it waits."""
        for number, (_, place) in enumerate(self._places):
            if place.admitted_at is not None:
                return number
        return None

    async def until_admitted(self, *, model: str, within_s: float) -> AsyncGenerator[Status, None]:
        """Where the call stands, as it moves, at most once in `TOLD_EVERY_S`; ends when it is admitted.

        Closed or cancelled before that, or with an error, its places are given back.

        Raises:
            ModelBusy: there is no room to wait at any of the servers, or it has waited for `within_s`.
        """
        told: int | None = None
        told_at = -TOLD_EVERY_S
        try:
            while self.admitted_to is None:
                waited_s = self._now - self._entered_at
                self._stand_everywhere()
                if waited_s >= within_s or all(place.is_full for _, place in self._places):
                    raise ModelBusy(model, retry_after_s=self._retry_after_s(), asked=False)
                pause_s = within_s - waited_s
                position = self._position()
                if position is not None and position != told:
                    if self._now - told_at >= TOLD_EVERY_S:
                        told, told_at = position, self._now
                        yield Status("queued", round(waited_s, 1), told, self._eta_s())
                        continue  # whoever reads may have been slow
                    pause_s = min(pause_s, told_at + TOLD_EVERY_S - self._now)
                await self._until_moved(pause_s)
        except BaseException:
            self.leave()
            raise
        self._leave_others()

    def leave(self, *, served: bool = False) -> None:
        """Give back what it has; safe to repeat. `served` when its time tells how long calls take."""
        for queue, place in self._places:
            queue.leave(place, served=served)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _enter(self, queue: Queue) -> None:
        self._places.append((queue, queue.enter(*self._caller, moved=self._moved)))

    def _stand_everywhere(self) -> None:
        """Stand in the other lines too, once the first one makes it wait or has no room."""
        first = self._places[0][1]
        if len(self._places) < len(self._queues) and (first.is_full or first.position is not None):
            for queue in self._queues[1:]:
                self._enter(queue)

    def _leave_others(self) -> None:
        chosen = self.admitted_to
        for number, (queue, place) in enumerate(self._places):
            if number != chosen:
                queue.leave(place)

    def _position(self) -> int | None:
        return min((place.position for _, place in self._places if place.position is not None), default=None)

    def _eta_s(self) -> float | None:
        guesses = [queue.eta_s(place.position) for queue, place in self._places if place.position is not None]
        return min((guess for guess in guesses if guess is not None), default=None)

    def _retry_after_s(self) -> float:
        return min(queue.retry_after_s() for queue in self._queues)

    async def _until_moved(self, within_s: float) -> None:
        """Return when something has changed since the last return, or the time is over."""
        try:
            async with asyncio.timeout(within_s):
                await self._moved.wait()
        except TimeoutError:
            return
        self._moved.clear()
