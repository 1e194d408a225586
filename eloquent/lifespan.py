"""From the server's start to its end: what is opened, how running answers are brought to rest, what is closed.

uvicorn answers SIGTERM by closing its listeners and every websocket at once, and tells the application only when the
last connection is gone. For us that is the wrong order: running answers should finish while their readers, a stop
request and the readiness check still get through. So a handler in front of uvicorn's takes the signal first:

1. draining is marked: `/readyz` answers 503 and no run is started any more;
2. running runs get `DRAIN_S` to finish, then they are interrupted and saved (Ctrl+C: at once);
3. streams that are still open are cut, and their readers resume elsewhere;
4. uvicorn gets the signal;
5. what is still to be told, charged and recorded gets `CLOSING_S`, whether or not the databases are there.

A second signal ends the wait of step 2; a third goes straight to uvicorn.
"""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import structlog

from accounts import work as accounts_work
from accounts.api_key_access import settle_api_keys
from chat import completions, work
from eloquent.foundation.config import get_config, unknown_in_aws
from eloquent.foundation.database import close_database
from eloquent.foundation.http import close_http_client
from eloquent.foundation.lifecycle import open_for_work, start_draining
from eloquent.foundation.redis import close_redis
from eloquent.foundation.telemetry.switchboard import Closers, close_telemetry, open_telemetry
from eloquent.foundation.timeout_chain import CLOSING_S, DRAIN_S, LAST_CHUNKS_S, SAVING_S
from eloquent.roads import Receive, Scope, Send
from inference.admission.queues import close_queues
from inference.billing.bill import all_settled
from inference.billing.current import forget_budgets
from inference.catalog import close_catalog
from inference.tools.toolbox import close_tools

_PATIENT_SIGNALS: Final = 2
# Python's own 700 is made for small scripts: a list of 30 messages passes it several times.
_NEW_OBJECTS_BEFORE_A_LOOK: Final = 10_000

log = structlog.get_logger(__name__)


def _leave_the_old_alone() -> None:
    """Keep the garbage collector off what lives as long as the process.

    Django, pydantic and the drivers are some hundred thousand objects that never become garbage. Looking through them
    again and again was a tenth of an answer's CPU and, when it struck, a pause that everybody's tokens waited for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_BEFORE_A_LOOK)


class Lifespan:
    """The ASGI lifespan application.

    Args:
        end_streams: ends the responses that are still being streamed, and returns how many there were.
    """

    def __init__(self, *, end_streams: Callable[[], int]) -> None:
        self._end_streams = end_streams
        self._draining: asyncio.Task[None] | None = None
        self._signals = 0
        self._replaced: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telemetry: Closers = ()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Serve from `lifespan.startup` to `lifespan.shutdown`."""
        await receive()
        try:
            await self._open()
        except Exception as error:
            log.exception("the server could not start")
            await close_telemetry(self._telemetry)  # which is worth a report
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await close_telemetry(self._telemetry)
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._draining = None
        self._signals = 0
        open_for_work()
        # First: clients of databases ask whether they are watched when they are made.
        self._telemetry = open_telemetry(get_config())
        for sentence in unknown_in_aws():
            log.warning("a name that no setting has", where=sentence)
        await work.startup()
        await accounts_work.open_accounts()
        _leave_the_old_alone()
        # Only in front of a server's own handlers: without them (a test, a shell) a signal means what it always means.
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGTERM)):
            for number in (signal.SIGTERM, signal.SIGINT):
                before = signal.getsignal(number)
                if callable(before):
                    self._replaced[number] = before
                    signal.signal(number, self._on_signal)

    async def _close(self) -> None:
        start_draining()
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(0))
        await asyncio.wait([self._draining])
        for number, before in self._replaced.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, before)
        self._replaced.clear()
        try:
            async with asyncio.timeout(CLOSING_S):
                await _close_all()
        except TimeoutError:
            log.warning("let go of what does not close in time", within_s=CLOSING_S)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Mark, and wake the loop: this runs between two bytecodes of whatever the main thread is doing."""
        start_draining()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave, number, frame)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        pass_on = self._replaced.get(number)
        if pass_on is None:
            return  # closed already
        self._signals += 1
        if self._signals > _PATIENT_SIGNALS:
            pass_on(number, frame)
            return
        within_s = DRAIN_S if number == signal.SIGTERM and self._signals == 1 else 0
        if self._draining is not None:
            self._draining.cancel()
        self._draining = asyncio.ensure_future(self._drain(within_s))

        def drained(task: asyncio.Task[None]) -> None:
            # A drain cut short by the next signal leaves the rest to its successor.
            if not task.cancelled():
                pass_on(number, frame)

        self._draining.add_done_callback(drained)

    async def _drain(self, within_s: float) -> None:
        log.info("draining", within_s=within_s)
        try:
            async with asyncio.timeout(within_s + SAVING_S):
                await asyncio.gather(work.drain(within_s), completions.drain(within_s))
        except Exception:
            log.exception("some runs could not be brought to rest")
        await asyncio.sleep(LAST_CHUNKS_S)
        log.info("drained", streams_cut=self._end_streams())


async def _close_all() -> None:
    """The clients last: runs are saved, and charged, through them."""
    for close in (
        work.close,
        close_queues,
        all_settled,
        settle_api_keys,
        accounts_work.close_accounts,
        forget_budgets,
        close_tools,
        close_catalog,
        close_http_client,
        close_redis,
        close_database,
    ):
        try:
            await close()
        except Exception:
            log.exception("closing failed", what=close.__name__)
