"""The patiences with a language model, kept with one timer an answer. That for a connection is the HTTP client's own.

A timer a token is what makes a relay expensive, so the watch only notes when a wait began; its timer looks at that
note when it fires and goes back to sleep if there is time left.
"""

import asyncio

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first_token_s` is long because a cold model says nothing, not even headers, until its first token."""

    first_token_s: float = 300.0
    idle_s: float = 60.0
    total_s: float = 900.0


class Watch:
    """Ends one task's wait for the next event when it lasts too long, by cancelling that task.

    Call `waiting()` right before each wait and `arrived()` right after it, both in the one task that waits, and
    `stop()` at the end. A CancelledError with `expired` set is ours; any other is the caller's and must be passed on.
    Time in which the reader of the events is slow does not count against the model, except for the total.
    """

    __slots__ = (
        "_began_at",
        "_loop",
        "_owner",
        "_seen_first",
        "_task",
        "_timeouts",
        "_timer",
        "_waits_since",
        "expired",
    )

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._seen_first = False
        self._waits_since = 0.0
        self._owner: asyncio.Task[object] | None = None
        self._task: asyncio.Task[object] | None = None
        self.expired: tuple[str, float] | None = None
        """What the model failed to do (a verb phrase) and the limit in seconds."""
        self._timer = self._loop.call_at(self._next_look(self._began_at), self._look)

    def waiting(self) -> None:
        """The current task is about to wait for the next event."""
        self._waits_since = self._loop.time()
        if self._owner is None:
            self._owner = asyncio.current_task()  # once: for each token it was 3 % of a relay
        self._task = self._owner

    def arrived(self, *, token: bool) -> None:
        """The wait is over. `token` is False for a mere status, which is no answer yet."""
        self._task = None
        if token:
            self._seen_first = True

    def take_back(self) -> bool:
        """Undo our cancellation, as asyncio.timeout does. False if somebody else wants the task to end as well."""
        task = asyncio.current_task()
        return task is not None and task.uncancel() == 0

    def stop(self) -> None:
        """Forget the timer. Harmless when called twice."""
        self._timer.cancel()
        self._task = None

    def _due(self) -> tuple[float, tuple[str, float]]:
        limits = self._timeouts
        if self._seen_first:
            due, why = self._waits_since + limits.idle_s, ("went silent for", limits.idle_s)
        else:
            due, why = self._began_at + limits.first_token_s, ("did not begin to answer in", limits.first_token_s)
        total_at = self._began_at + limits.total_s
        return (total_at, ("did not complete its answer in", limits.total_s)) if total_at <= due else (due, why)

    def _next_look(self, now: float) -> float:
        # Never further away than the idle limit: the first token may come right after this look and start that clock.
        return min(self._due()[0], now + self._timeouts.idle_s)

    def _look(self) -> None:
        now = self._loop.time()
        due, why = self._due()
        if now < due:
            self._timer = self._loop.call_at(self._next_look(now), self._look)
        elif self._task is None:
            # The reader is busy with the last event: look again when it is likely to wait for us.
            self._timer = self._loop.call_at(now + min(1.0, self._timeouts.idle_s), self._look)
        else:
            self.expired = why
            self._task.cancel()
