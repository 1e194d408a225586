"""The chat socket: the AI SDK 7 websocket transport over Channels.

One socket carries many requests, each read by a task of its own: Channels hands over the next frame only after the
handler returns, so a handler that streamed would be deaf to `abort`. When the socket goes, only the reading ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from accounts.authentication import Identity, identity_of_ticket, may_stay
from accounts.notices import session_group, user_group
from accounts.origins import is_own_or_allowed
from chat import frames, runs, ui_runs
from chat.journal import Entries
from chat.posting import Wish
from eloquent.foundation.errors import EloquentError, NotFound, NotSignedIn, Throttled, Unavailable, problem
from eloquent.foundation.ids import RunId
from eloquent.foundation.rates import TokenBucket

log = structlog.get_logger(__name__)

SUBPROTOCOL: Final = "eloquent.chat.v1"
TICKET_PREFIX: Final = "ticket."
MALFORMED: Final = 1008
TRY_AGAIN_LATER: Final = 1013
NOT_SIGNED_IN: Final = 4401
WRONG_ORIGIN: Final = 4403
LARGEST_FRAME_CHARS: Final = 64 * 1024
MOST_REQUESTS: Final = 32
FRAMES_PER_S: Final = 10.0
FRAMES_AT_ONCE: Final = 40
# A reader who takes nothing for this long is cut off; the answer goes on and can be resumed.
SEND_TIMEOUT_S: Final = 30.0
# A revoked session closes its sockets at once; this is for what ends without a notice.
ASK_AGAIN_S: Final = 30.0
JOIN_TIMEOUT_S: Final = 2.0


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels ships no types
    """One signed-in socket."""

    identity: Identity

    async def connect(self) -> None:
        """Let a page of an allowed origin in that offers a ticket. Refusals close with a code that says why."""
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, RunId] = {}
        self._aborted: set[str] = set()
        self._stopping: set[asyncio.Task[Any]] = set()
        self._bucket = TokenBucket(per_s=FRAMES_PER_S, at_once=FRAMES_AT_ONCE)
        self._groups_joined: list[str] = []
        self._watch: asyncio.Task[None] | None = None
        offered = self.scope.get("subprotocols", [])
        ticket = _ticket(self.scope, offered)
        # Accepted first: a browser is told the close code of an open socket only.
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        origin = _header(self.scope, b"origin")
        # Only browsers send an Origin, and only they can be led here by another site's page.
        if origin is not None and not is_own_or_allowed(origin, host=_header(self.scope, b"host") or ""):
            await self.close(WRONG_ORIGIN)
            return
        try:
            self.identity = await identity_of_ticket(ticket)
        except Unavailable as error:
            # Not 4401: a client would take it for the end of its session.
            log.warning("socket cannot be let in", exc_info=error)
            await self.close(TRY_AGAIN_LATER)
            return
        except EloquentError:
            await self.close(NOT_SIGNED_IN)
            return
        await self._join(session_group(self.identity.session_id), user_group(self.identity.user_id))
        self._watch = asyncio.create_task(self._close_when_access_ends(), name="socket watch")

    async def _join(self, *groups: str) -> None:
        """Ask to be told of the session's end. Without Redis there are no notices, and the socket asks by itself."""
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in groups:
                    await self.channel_layer.group_add(group, self.channel_name)
                    self._groups_joined.append(group)
        except (OSError, RedisError) as error:
            log.warning("socket hears no notices", error=type(error).__name__)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - Channels' signature
        """End the readers of this socket; the runs go on."""
        with contextlib.suppress(OSError, RedisError):
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._groups_joined:
                    await self.channel_layer.group_discard(group, self.channel_name)
        tasks = [*self._requests.values(), *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def session_revoked(self, event: dict[str, Any]) -> None:  # noqa: ARG002 - as above
        """The session or its user was signed out: so is the socket."""
        await self.close(NOT_SIGNED_IN)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        """Take one frame. A frame that is none closes the socket, as the protocol says."""
        if not hasattr(self, "identity"):
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

    async def _close_when_access_ends(self) -> None:
        """Notice what no notice tells of: a session that expired, a user changed behind our back."""
        while True:
            # First at once: a session may end between its ticket and the joining of its groups.
            try:
                if not await may_stay(self.identity):
                    await self.close(NOT_SIGNED_IN)
                    return
            except PyMongoError as error:
                log.warning("socket watch waits for the database", error=type(error).__name__)
            await asyncio.sleep(ASK_AGAIN_S)

    async def _require_access(self) -> None:
        """A frame is let in as a request is: by the session as it is now, whatever notice was lost.

        Raises:
            NotSignedIn: the session or its user was signed out; the socket is closed.
        """
        if not await may_stay(self.identity):
            await self.close(NOT_SIGNED_IN)
            raise NotSignedIn

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
        except PyMongoError as error:
            log.warning("socket request failed", exc_info=error)
            await self._refuse(request_id, Unavailable(retry_after_s=2))
        except TimeoutError:
            await self.close(MALFORMED)  # a reader that does not read
        except OSError:
            raise
        except Exception as error:
            log.exception("socket request broke", exc_info=error)
            await self._refuse(request_id, EloquentError())

    async def _send_answer(self, frame: frames.Send, wish: Wish) -> None:
        await self._require_access()
        owner = self.identity.user_id
        run = await ui_runs.start(owner, frame.id, wish)
        self._runs[frame.request_id] = run.id
        entries = await runs.entries_of(owner, run.id)
        if frame.request_id in self._aborted:
            await runs.stop_run(owner, run.id)
        await self._relay(frame.request_id, entries)

    async def _resume_answer(self, frame: frames.Resume) -> None:
        await self._require_access()
        owner = self.identity.user_id
        run = None
        with contextlib.suppress(NotFound):
            run = await ui_runs.active_run(owner, frame.id)
        if run is None:
            await self.send(frames.none_active(frame.request_id))
            return
        self._runs[frame.request_id] = run.id
        await self.send(frames.started(frame.request_id))
        after = -1 if frame.last_sequence is None else frame.last_sequence
        await self._relay(frame.request_id, await runs.entries_of(owner, run.id, after=after))

    async def _relay(self, request_id: str, entries: AsyncIterator[Entries]) -> None:
        made = frames.ChunkFrames(request_id)
        async for first, chunks in entries:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for sequence, chunk in enumerate(chunks, first):
                    await self.send(made.frame(sequence, chunk))
        await self.send(frames.ended(request_id))

    def _abort(self, request_id: str) -> None:
        """Stop the answer that the request reads; one that is only being started is stopped once it has a run."""
        run_id = self._runs.get(request_id)
        if run_id is not None:
            stopping = asyncio.create_task(runs.stop_run(self.identity.user_id, run_id))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopped)
        elif request_id in self._requests:
            self._aborted.add(request_id)

    def _stopped(self, stopping: "asyncio.Task[Any]") -> None:
        self._stopping.discard(stopping)
        if not stopping.cancelled() and stopping.exception() is not None:
            log.warning("stop failed", exc_info=stopping.exception())

    async def _refuse(self, request_id: str, error: EloquentError) -> None:
        await self.send(frames.failed(request_id, problem(error, None)))


def _ticket(scope: dict[str, Any], offered: list[str]) -> str:
    """The ticket among the subprotocols offered, else in the query.

    The AI SDK's transport names its subprotocols once and for all; its `params` are asked for at each connection. A
    ticket in an address is used up by the time it could be read in a log.
    """
    for name in offered:
        if name.startswith(TICKET_PREFIX):
            return name.removeprefix(TICKET_PREFIX)
    query = scope.get("query_string", b"").decode("latin-1")
    return next((value for name, value in parse_qsl(query) if name == "ticket"), "")


def _header(scope: dict[str, Any], name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
