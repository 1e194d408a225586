"""A token bucket: so many at once, so many a second after that. For one owner in one process."""

from time import monotonic


class TokenBucket:
    """Holds at most `at_once` tokens and gains `per_s` a second.

    Limits that must hold across processes are in `accounts.throttle`; this one guards a single socket.
    """

    __slots__ = ("_at_once", "_level", "_per_s", "_seen_at")

    def __init__(self, *, per_s: float, at_once: int) -> None:
        self._per_s = per_s
        self._at_once = float(at_once)
        self._level = float(at_once)
        self._seen_at = monotonic()

    def wait_s(self) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        at = monotonic()
        self._level = min(self._at_once, self._level + (at - self._seen_at) * self._per_s)
        self._seen_at = at
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._per_s
