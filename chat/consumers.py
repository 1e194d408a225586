"""The chat socket: the AI SDK 7 websocket transport over Channels.

One socket carries many requests, each read by a task of its own: Channels hands over the next frame only after the
handler returns, so a handler that streamed would be deaf to `abort`. When the socket goes, only the reading ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import structlog
from pymongo.errors import PyMongoError

from accounts.limits import gate
from accounts.limits.policies import FRAMES
from chat import frames, runs, ui_runs
from chat.chunks import NOTHING
from chat.errors import StreamBroke
from chat.journal import BehindLog, Entries, LogCut
from chat.posting import Wish
from chat.run_telemetry import asked_over_socket
from chat.sockets import MALFORMED, SEND_TIMEOUT_S, SignedInSocket
from eloquent.foundation.errors import EloquentError, NotFound, NotSignedIn, Throttled, Unavailable, problem
from eloquent.foundation.ids import RunId
from eloquent.foundation.rates import TokenBucket

log = structlog.get_logger(__name__)

SUBPROTOCOL: Final = "eloquent.chat.v1"
LARGEST_FRAME_CHARS: Final = 256 * 1024
"""As much as a request over HTTP may have: a decision about a tool's call comes with the whole answer."""
MOST_REQUESTS: Final = 32


class ChatConsumer(SignedInSocket):
    """One signed-in socket."""

    subprotocol = SUBPROTOCOL

    async def admitted(self) -> None:
        """Nothing is asked for yet."""
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, RunId] = {}
        self._aborted: set[str] = set()
        self._stopping: dict[RunId, asyncio.Task[None]] = {}
        self._bucket = TokenBucket(per_s=FRAMES.per_s, at_once=FRAMES.at_once)

    def tasks(self) -> list[asyncio.Task[None]]:
        """The readers of this socket; the runs go on."""
        return list(self._requests.values())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        """Take one frame. A frame that is none closes the socket, as the protocol says."""
        if not hasattr(self, "_requests"):
            return  # it came between our close and the client's
        try:
            if text_data is None or len(text_data) > LARGEST_FRAME_CHARS:
                raise frames.MalformedFrame
            frame = frames.parse(text_data)
            wish = frames.wish_of(frame) if isinstance(frame, frames.Send) else None
        except frames.MalformedFrame:
            await self.close(MALFORMED)
            return
        except EloquentError as error:
            await self._refuse(frame.request_id, error)
            return
        if isinstance(frame, frames.Abort):
            self._abort(frame.request_id)
        elif wait_s := self._bucket.wait_s():
            await self._refuse(frame.request_id, Throttled(retry_after_s=wait_s))
        elif frame.request_id in self._requests or len(self._requests) >= MOST_REQUESTS:
            await self.close(MALFORMED)
        elif isinstance(frame, frames.Send) and wish is not None:
            self._begin(frame.request_id, self._send_answer(frame, wish))
        elif isinstance(frame, frames.Resume):
            self._begin(frame.request_id, self._resume_answer(frame))

    def _begin(self, request_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(request_id, work), name=f"socket request {request_id}")
        self._requests[request_id] = task
        task.add_done_callback(lambda _: self._forget(request_id))

    def _forget(self, request_id: str) -> None:
        self._requests.pop(request_id, None)
        self._runs.pop(request_id, None)
        self._aborted.discard(request_id)

    async def _guarded(self, request_id: str, work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(OSError):  # the client is gone; Channels tells us next
            await self._answered(request_id, work)

    async def _answered(self, request_id: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EloquentError as error:
            await self._refuse(request_id, error)
        except (LogCut, BehindLog):
            await self._refuse(request_id, StreamBroke(retry_after_s=1))
        except (PyMongoError, TimeoutError) as error:
            log.warning("socket request failed", exc_info=error)
            await self._refuse(request_id, Unavailable(retry_after_s=2))
        except OSError:
            raise
        except Exception as error:
            log.exception("socket request broke", exc_info=error)
            await self._refuse(request_id, EloquentError())

    async def _send_answer(self, frame: frames.Send, wish: Wish) -> None:
        with asked_over_socket():
            await self.require_access()
            owner = self.identity.user_id
            gate.count_frame(owner, starts_run=True)
            run = await ui_runs.start(owner, frame.id, wish)
        entries = await runs.entries_begun_by(run)
        await self._found(frame.request_id, run.id)
        await self._relay(frame.request_id, _from_zero(entries) if run.begins_at else entries)

    async def _resume_answer(self, frame: frames.Resume) -> None:
        await self.require_access()
        owner = self.identity.user_id
        gate.count_frame(owner, starts_run=False)
        run = None
        with contextlib.suppress(NotFound):
            run = await ui_runs.active_run(owner, frame.id)
        if run is None:
            await self.send(frames.none_active(frame.request_id))
            return
        await self._found(frame.request_id, run.id)
        await self.send(frames.started(frame.request_id))
        after = -1 if frame.last_sequence is None else frame.last_sequence
        await self._relay(frame.request_id, await runs.entries_of(owner, run.id, after=after))

    async def _found(self, request_id: str, run_id: RunId) -> None:
        """From now on the request is the run's: also a stop that was asked for before."""
        self._runs[request_id] = run_id
        if request_id in self._aborted:
            await runs.stop_run(self.identity.user_id, run_id)

    async def _relay(self, request_id: str, entries: AsyncIterator[Entries]) -> None:
        made = frames.ChunkFrames(request_id)
        async for first, chunks, is_replay in entries:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    for sequence, chunk in enumerate(chunks, 0 if is_replay else first):
                        await self.send(made.frame(sequence, chunk))
            except TimeoutError:
                await self.hang_up()
                return
        await self.send(frames.ended(request_id))

    def _abort(self, request_id: str) -> None:
        """Stop the answer that the request reads; one that is only being started is stopped once it has a run."""
        run_id = self._runs.get(request_id)
        if run_id in self._stopping:
            return  # nothing bounds how often it is said
        if run_id is not None:
            stopping = self._stopping[run_id] = asyncio.create_task(self._stop(run_id))
            stopping.add_done_callback(lambda _: self._stopped(run_id))
        elif request_id in self._requests:
            self._aborted.add(request_id)

    async def _stop(self, run_id: RunId) -> None:
        with contextlib.suppress(NotSignedIn):  # the socket is closed
            await self.require_access()
            await runs.stop_run(self.identity.user_id, run_id)

    def _stopped(self, run_id: RunId) -> None:
        stopping = self._stopping.pop(run_id)
        if not stopping.cancelled() and stopping.exception() is not None:
            log.warning("stop failed", exc_info=stopping.exception())

    async def _refuse(self, request_id: str, error: EloquentError) -> None:
        log.info("frame refused", code=error.code, user=str(self.identity.user_id))
        await self.send(frames.failed(request_id, problem(error, None)))


async def _from_zero(entries: AsyncIterator[Entries]) -> AsyncIterator[Entries]:
    """The entries of a run that goes on with an answer, for a client that counts what it asked for from 0.

    It has what came before: in the places of that, nothing is said.
    """
    is_begun = False
    async for batch in entries:
        if batch.chunks and not is_begun and not batch.is_replay:
            yield Entries(0, [NOTHING] * batch.first)
        is_begun = is_begun or bool(batch.chunks)
        yield batch
