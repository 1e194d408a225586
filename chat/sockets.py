"""A signed-in websocket: who may open it, and how it ends with the session. What it says is for its subclasses."""

import asyncio
import contextlib
from collections import Counter
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from pymongo.errors import PyMongoError

from accounts.authentication import Identity, identity_of_ticket, may_stay
from accounts.devices import address_of_scope
from accounts.limits import gate
from accounts.notices import session_group, user_group
from accounts.origins import is_own_or_allowed
from eloquent.foundation.errors import EloquentError, NotSignedIn, Throttled, Unavailable
from eloquent.foundation.ids import UserId

log = structlog.get_logger(__name__)

TICKET_PREFIX: Final = "ticket."
MALFORMED: Final = 1008
TRY_AGAIN_LATER: Final = 1013
NOT_SIGNED_IN: Final = 4401
WRONG_ORIGIN: Final = 4403
TOO_MANY_SOCKETS: Final = 4429
# Of each kind, in one process. The one that comes is refused: closing the oldest would make two pages chase each other.
MOST_SOCKETS_OF_A_USER: Final = 32
# A reader who takes nothing for this long is cut off.
SEND_TIMEOUT_S: Final = 30.0
# A revoked session closes its sockets at once; this is for what ends without a notice.
ASK_AGAIN_S: Final = 30.0
# The same while notices cannot be heard, because Redis was away when the socket was opened.
ASK_UNHEARING_S: Final = 1.0
# How long notices are not relied on after Redis was away: the channel layer takes its time to listen again.
DOUBTFUL_S: Final = 5.0
JOIN_TIMEOUT_S: Final = 2.0

_open: Final[Counter[tuple[type, UserId]]] = Counter()
_watched: Final[set["SignedInSocket"]] = set()


def notices_may_be_lost() -> None:
    """Redis was away: a session may have ended unheard of, so every socket of this process asks, and asks again."""
    for socket in _watched:
        socket.doubt()


class SignedInSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels ships no types
    """A socket that a page of an allowed origin opens with a ticket. It is closed when the session ends."""

    subprotocol: ClassVar[str]
    identity: Identity

    async def admitted(self) -> None:
        """Begin: the identity is known, and the session's end will be heard of."""

    def tasks(self) -> list[asyncio.Task[None]]:
        """What is to be cancelled and awaited when the socket goes."""
        return []

    async def connect(self) -> None:
        """Let a page of an allowed origin in that offers a ticket. Refusals close with a code that says why."""
        self._groups_joined: list[str] = []
        self._watch: asyncio.Task[None] | None = None
        self._doubted = asyncio.Event()
        self._doubtful_until = 0.0
        self._counted: tuple[type, UserId] | None = None
        offered = self.scope.get("subprotocols", [])
        ticket = _ticket(self.scope, offered)
        # Accepted first: a browser is told the close code of an open socket only.
        await self.accept(self.subprotocol if self.subprotocol in offered else None)
        origin = _header(self.scope, b"origin")
        # Only browsers send an Origin, and only they can be led here by another site's page.
        if origin is not None and not is_own_or_allowed(origin, host=_header(self.scope, b"host") or ""):
            await self.close(WRONG_ORIGIN)
            return
        try:
            gate.count_socket(address_of_scope(self.scope))
            identity = await identity_of_ticket(ticket)
        except Throttled:
            await self.close(TRY_AGAIN_LATER)
            return
        except Unavailable as error:
            # Not 4401: a client would take it for the end of its session.
            log.warning("socket cannot be let in", exc_info=error)
            await self.close(TRY_AGAIN_LATER)
            return
        except EloquentError:
            await self.close(NOT_SIGNED_IN)
            return
        counted = type(self), identity.user_id
        if _open[counted] >= MOST_SOCKETS_OF_A_USER:
            await self.close(TOO_MANY_SOCKETS)
            return
        _open[counted] += 1
        self._counted = counted
        self.identity = identity
        groups = session_group(identity.session_id), user_group(identity.user_id)
        hears = await self.join(*groups)
        _watched.add(self)
        self._watch = asyncio.create_task(self._close_when_access_ends(groups, hears=hears), name="socket watch")
        await self.admitted()

    async def join(self, *groups: str) -> bool:
        """Ask to be told what is sent to these groups. False without Redis: then the socket asks by itself."""
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in groups:
                    await self.channel_layer.group_add(group, self.channel_name)
                    self._groups_joined.append(group)
        except Exception as error:  # noqa: BLE001 - whatever the layer is made of: it is away, and the socket is not
            log.warning("socket hears no notices", error=type(error).__name__)
            return False
        return True

    def doubt(self) -> None:
        """Ask at once whether the session still stands, and every second for a while."""
        self._doubtful_until = asyncio.get_running_loop().time() + DOUBTFUL_S
        self._doubted.set()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - Channels' signature
        """Leave the groups and end what the socket has begun."""
        if self._counted is not None:
            _open[self._counted] -= 1
            if not _open[self._counted]:
                del _open[self._counted]
        _watched.discard(self)
        with contextlib.suppress(Exception):  # as in `join`
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._groups_joined:
                    await self.channel_layer.group_discard(group, self.channel_name)
        tasks = [*self.tasks(), *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def hang_up(self) -> None:
        """Drop the connection of a reader that takes nothing, with all that waits for it.

        A close frame would wait behind that for ever, and the socket with it. ASGI has no message for this, so
        uvicorn's transport is asked directly; with another server closing has to do.
        """
        transport = getattr(getattr(self.base_send, "__self__", None), "transport", None)
        if transport is None:
            await self.close(MALFORMED)
        else:
            transport.abort()

    async def session_revoked(self, event: dict[str, Any]) -> None:  # noqa: ARG002 - as above
        """The session or its user was signed out: so is the socket."""
        await self.close(NOT_SIGNED_IN)

    async def _close_when_access_ends(self, groups: tuple[str, ...], *, hears: bool) -> None:
        """Notice what no notice tells of: a session that expired, a user changed behind our back, Redis away."""
        loop = asyncio.get_running_loop()
        while True:
            # First at once: a session may end between its ticket and the joining of its groups.
            try:
                if not await may_stay(self.identity):
                    await self.close(NOT_SIGNED_IN)
                    return
            except PyMongoError as error:
                log.warning("socket watch waits for the database", error=type(error).__name__)
            relied_on = hears and loop.time() > self._doubtful_until
            self._doubted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN_S if relied_on else ASK_UNHEARING_S):
                    await self._doubted.wait()
            hears = hears or await self.join(*groups)

    async def require_access(self) -> None:
        """A frame is let in as a request is: by the session as it is now, whatever notice was lost.

        Raises:
            NotSignedIn: the session or its user was signed out; the socket is closed.
        """
        if not await may_stay(self.identity):
            await self.close(NOT_SIGNED_IN)
            raise NotSignedIn


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
