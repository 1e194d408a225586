"""The order in which calls that wait for one server are admitted. Pure: no clock, no network.

Answers go before completions, and completions before titles. Within a kind, users have their turns one after the
other, and each one's calls go in their order: who asked twenty times delays nobody who asked once by more than one
call. Whoever was served goes to the end, so within a kind nobody waits for ever, however many others come.

`shared` keeps the same order in Redis; the tests compare the two.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

from inference.billing.types import Purpose

PRIORITIES: Final = {Purpose.ANSWER: 0, Purpose.COMPLETION: 1, Purpose.EMBEDDING: 1, Purpose.TITLE: 2}
"""The lower goes first."""


class Ticket(NamedTuple):
    """One call in a line: how urgent, whose, and a number that no other call has."""

    priority: int
    user: str
    number: str

    @property
    def key(self) -> str:
        """How it is written in Redis. `user` has no colon."""
        return f"{self.priority}:{self.user}:{self.number}"


class Line:
    """Who waits for a server, and who is at work there."""

    def __init__(self) -> None:
        self.admitted: set[Ticket] = set()
        # By priority: users in the order of their turns, each with the calls that wait, in order.
        self._turns: dict[int, dict[str, dict[Ticket, None]]] = {}
        self.waiting = 0
        """How many wait."""

    def join(self, ticket: Ticket) -> None:
        """Wait. Once for each ticket."""
        turns = self._turns.setdefault(ticket.priority, {})
        turns.setdefault(ticket.user, {})[ticket] = None
        self.waiting += 1

    def first(self) -> Ticket | None:
        """Whose turn it is; None when nobody waits."""
        return next(self.order(), None)

    def admit(self, ticket: Ticket) -> None:
        """It waits no more (if it did) and is at work; whoever it belongs to has had a turn."""
        if self._drop(ticket):
            turns = self._turns[ticket.priority]
            if calls := turns.pop(ticket.user, None):
                turns[ticket.user] = calls
        self.admitted.add(ticket)

    def leave(self, ticket: Ticket) -> None:
        """It is neither at work nor waiting any more. Harmless to repeat."""
        self.admitted.discard(ticket)
        if self._drop(ticket) and not self._turns[ticket.priority][ticket.user]:
            del self._turns[ticket.priority][ticket.user]

    def order(self) -> Iterator[Ticket]:
        """Those who wait, as they would be admitted if nobody else came."""
        for priority in sorted(self._turns):
            lists = [list(calls) for calls in self._turns[priority].values() if calls]
            for turn in count():
                this_turn = [calls[turn] for calls in lists if turn < len(calls)]
                if not this_turn:
                    break
                yield from this_turn

    def _drop(self, ticket: Ticket) -> bool:
        calls = self._turns.get(ticket.priority, {}).get(ticket.user, {})
        if ticket not in calls:
            return False
        del calls[ticket]
        self.waiting -= 1
        return True
