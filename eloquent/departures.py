"""Noticing that the reader of a response has left, or has stopped reading, and ending the work done for it."""

import asyncio
from enum import StrEnum

from eloquent.roads import Receive

# A view that is done sooner is not watched: a task for each short request would cost more than the request.
WATCH_AFTER_S = 0.05


class Departure(StrEnum):
    """Why a response ends before its time."""

    LEFT = "left"  # the client closed the connection
    STALLED = "stalled"  # the client reads nothing, and a write has been blocked for too long
    CLOSING = "closing"  # this process is on its way out


class Watch:
    """Watches over one request, for the task that serves it, and cancels that task when there is nobody to serve.

    Nothing is started before `listen`: the server's `receive` tells of a disconnect only to someone who waits for it,
    and someone who waits is a task.
    """

    __slots__ = ("_closed", "_listener", "_receive", "_timer", "departure", "loop", "sending_since", "task")

    def __init__(self, receive: Receive) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task(self.loop)
        self.departure: Departure | None = None
        # Loop time at which the write in progress began; None between writes. Set by whoever writes: a timeout around
        # each write would cost as much as the write.
        self.sending_since: float | None = None
        self._receive = receive
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._closed = False

    def listen_later(self) -> None:
        """Listen for a disconnect when the view has taken more than `WATCH_AFTER_S`."""
        self._timer = self.loop.call_later(WATCH_AFTER_S, self.listen)

    def listen(self) -> None:
        """Listen for a disconnect from now on."""
        if self._listener is None and not self._closed:
            self._listener = self.loop.create_task(self._listen())

    def time_writes(self, limit_s: float) -> None:
        """From now on end the response when one write is blocked for `limit_s` seconds."""
        if self._timer is not None:
            self._timer.cancel()
        if self._closed:
            return
        blocked_s = 0.0 if self.sending_since is None else self.loop.time() - self.sending_since
        if blocked_s >= limit_s:
            self.end(Departure.STALLED)
        else:
            self._timer = self.loop.call_later(limit_s - blocked_s, self.time_writes, limit_s)

    def end(self, departure: Departure) -> None:
        """Cancel the task that serves the request, once."""
        if self.departure is None and not self._closed:
            self.departure = departure
            if self.task is not None:
                self.task.cancel()

    def owns_cancellation(self) -> bool:
        """Whether the CancelledError just caught is this watch's alone (then it ends here), and nobody else's."""
        return self.departure is not None and self.task is not None and self.task.uncancel() == 0

    async def until_left(self, timeout_s: float) -> None:
        """Return when the server has told of the disconnect, or after `timeout_s`."""
        if self._listener is not None:
            await asyncio.wait([self._listener], timeout=timeout_s)

    async def close(self) -> None:
        """Stop watching; return when nothing of the watch is running any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None and not self._listener.done():
            self._listener.cancel()
            await asyncio.wait([self._listener])
        # Its cancellation holds its frame, and that holds this watch: garbage for the collector, with all the request.
        self._listener = None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.end(Departure.LEFT)
