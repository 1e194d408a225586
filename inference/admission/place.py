"""One call's place: first in the line in front of a server, then at the server."""

import asyncio

from inference.admission.line import Ticket


class Place:
    """What is known of one call. Written by its queue, waited for by the call."""

    __slots__ = ("_moved", "admitted_at", "is_full", "known", "position", "ticket")

    def __init__(self, ticket: Ticket, moved: asyncio.Event) -> None:
        self.ticket = ticket
        self.admitted_at: float | None = None
        """By the loop's clock; None while it waits."""
        self.position: int | None = None
        """In the line, from 1; None while it is not known."""
        self.known = False
        """Whether it has been taken into the line: the line's bound does not hold for it any more."""
        self.is_full = False
        """The line was full."""
        self._moved = moved

    @property
    def state(self) -> str:
        """What Redis is told of it."""
        if self.admitted_at is not None:
            return "admitted"
        return "waiting" if self.known else "new"

    def admit(self, at: float) -> None:
        """Its turn has come."""
        self.admitted_at, self.position = at, None
        self._moved.set()

    def move(self, position: int) -> None:
        """It waits, at this position."""
        self.known = True
        if self.position != position:
            self.position = position
            self._moved.set()

    def refuse(self) -> None:
        """It has none: the line was full."""
        self.is_full = True
        self._moved.set()
