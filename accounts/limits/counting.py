"""Counts of one process, of one policy. No clock and no network: whoever asks says when, and `changed` hears of counts.

A count is kept for each window of the clock, and the window before it fades out while the present one runs: what is
left is `amount`, less what was counted in this window, less the part of the last one that lies within a window's length
of now, as if it had come evenly. So nobody gets twice the amount at once by waiting for a window's end. Whoever spends
all of it in the last moment of one window and the rest as it comes back has, at the very worst, twice the amount in the
length of one window.

What other processes counted comes from `accounts.limits.sharing`, a quarter of a second late.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

from accounts.limits.policies import Policy

MOST: Final = 50_000
"""Who is remembered at once, for one policy. Beyond that those go who came first."""

REFUSED: Final = -1

# Seconds since the epoch are not exact enough to tell the very moment at which one is free.
_SLACK: Final = 0.001

Who: TypeAlias = bytes | str


class Window:
    """What is known of one caller in one window: counted here, told of that to others, counted by others."""

    __slots__ = ("before", "counter", "index", "is_noted", "others", "own", "told", "who")

    def __init__(self, counter: "Counter", who: Who, index: int, before: float) -> None:
        self.counter = counter
        self.who = who
        self.index = index
        self.own = 0
        self.told = 0
        self.others = 0
        self.before = before
        self.is_noted = False


class Counter:
    """Counts for one policy.

    Args:
        policy: the limit.
        changed: hears of a window that has something to tell, once until its `is_noted` is taken back.
    """

    def __init__(self, policy: Policy, changed: Callable[[Window], None]) -> None:
        self.policy = policy
        self._amount = policy.amount
        self._seconds = policy.seconds
        self._changed = changed
        self._windows: OrderedDict[Who, Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, who: Who, at: float, amount: int | None = None) -> int:
        """Count one: how many are left behind it, or REFUSED, which is not counted.

        Args:
            who: who is asking.
            at: seconds since the epoch, that never go back.
            amount: in the place of the policy's.
        """
        place = at / self._seconds
        window = self._windows.get(who)
        if window is None or window.index < int(place):
            window = self._turn(who, window, int(place))
        left: float = (amount or self._amount) - window.own - window.others
        if window.before:
            left -= window.before * (window.index + 1 - place)
        if left < 1 - _SLACK:
            return REFUSED
        window.own += 1
        if not window.is_noted:
            window.is_noted = True
            self._changed(window)
        return int(left + _SLACK) - 1

    def wait_s(self, who: Who, at: float, amount: int | None = None) -> float:
        """Seconds until one is free, if nobody takes it meanwhile; 0 when one is."""
        window = self._windows.get(who)
        place = at / self._seconds
        if window is None or window.index < int(place):
            return 0.0
        counted, most = window.own + window.others, (amount or self._amount) - 1
        if counted <= most:
            # What is of the last window has to fade to this.
            room = most - counted
            free_at = window.index + 1 - room / window.before if window.before else place
        else:
            # This window has to end and to fade in its turn.
            free_at = window.index + 2 - most / counted
        return max(0.0, (free_at - place) * self._seconds)

    def ends_in_s(self, at: float) -> int:
        """Whole seconds until the present window ends, and what was counted in it begins to come back."""
        return self._seconds - int(at % self._seconds)

    def forget_all(self) -> None:
        """Every caller has all of the limit again, as far as this process counts."""
        self._windows.clear()

    def _turn(self, who: Who, last: Window | None, index: int) -> Window:
        before = float(last.own + last.others) if last is not None and last.index == index - 1 else 0.0
        window = Window(self, who, index, before)
        windows = self._windows
        windows[who] = window
        windows.move_to_end(who)
        # In the order of their windows: those at the front are the oldest. Two for each that comes keeps it short.
        for _ in range(2):
            oldest = next(iter(windows.values()))
            if oldest.index < index - 1 or len(windows) > MOST:
                windows.popitem(last=False)
        return window
