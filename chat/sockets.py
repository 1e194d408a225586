"""A signed-in websocket: who may open it, and how it ends with the session. What it says is for its subclasses."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.admitted import Leaving, admit
from accounts.authentication import Identity, identity_of_ticket, may_stay
from accounts.devices import address_of_scope
from accounts.limits import gate
from accounts.notices import session_group, user_group
from accounts.origins import is_own_or_allowed
from eloquent.foundation.errors import EloquentError, NotSignedIn, Throttled, Unavailable
from eloquent.foundation.ids import UserId
from eloquent.foundation.logs import request_id_var, user_id_var
from eloquent.foundation.tasks import end_task
from eloquent.foundation.telemetry import metrics

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
JOIN_TIMEOUT_S: Final = 2.0
JOIN_AGAIN_S: Final = 2.0

_open: Final[Counter[tuple[type, UserId]]] = Counter()


class SignedInSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels ships no types
    """A socket that a page of an allowed origin opens with a ticket.

    It is closed when the session ends: at once by a notice, without one within about a second (`accounts.admitted`).
    """

    subprotocol: ClassVar[str]
    identity: Identity

    async def admitted(self) -> None:
        """Begin: the identity is known, and the session's end will be noticed."""

    def tasks(self) -> list[asyncio.Task[None]]:
        """What is to be cancelled and awaited when the socket goes."""
        return []

    async def connect(self) -> None:
        """Let a page of an allowed origin in that offers a ticket. Refusals close with a code that says why."""
        self._groups_joined: list[str] = []
        self._joining: asyncio.Task[None] | None = None
        self._gone: Callable[[], None] | None = None
        self._is_closing = False
        self._counted: tuple[type, UserId] | None = None
        request_id_var.set(secrets.token_hex(16))  # of the connection: all that comes in over it
        offered = self.scope.get("subprotocols", [])
        ticket = _ticket(self.scope, offered)
        # Accepted first: a browser is told the close code of an open socket only.
        await self.accept(self.subprotocol if self.subprotocol in offered else None)
        origin = _header(self.scope, b"origin")
        # Only browsers send an Origin, and only they can be led here by another site's page.
        if origin is not None and not is_own_or_allowed(origin, host=_header(self.scope, b"host") or ""):
            await self._refuse_socket(WRONG_ORIGIN, "foreign_origin")
            return
        try:
            gate.count_socket(address_of_scope(self.scope))
            identity = await identity_of_ticket(ticket)
        except Throttled as error:
            await self._refuse_socket(TRY_AGAIN_LATER, error.code)
            return
        except Unavailable as error:
            # Not 4401: a client would take it for the end of its session.
            log.warning("socket cannot be let in", exc_info=error)
            await self.close(TRY_AGAIN_LATER)
            return
        except EloquentError as error:
            await self._refuse_socket(NOT_SIGNED_IN, error.code)
            return
        counted = type(self), identity.user_id
        if _open[counted] >= MOST_SOCKETS_OF_A_USER:
            await self._refuse_socket(TOO_MANY_SOCKETS, "too_many_sockets", user=str(identity.user_id))
            return
        _open[counted] += 1
        metrics.sockets_open.value += 1
        user_id_var.set(str(identity.user_id))
        self._counted = counted
        self.identity = identity
        self._gone = admit(identity, self._sent_away)
        groups = session_group(identity.session_id), user_group(identity.user_id)
        if not await self.join(*groups):
            self._joining = asyncio.create_task(self._join_later(groups), name="socket joins later")
        await self.admitted()

    async def _refuse_socket(self, close_code: int, code: str, **who: str) -> None:
        log.info("socket refused", code=code, kind=self.subprotocol, address=address_of_scope(self.scope), **who)
        await self.close(close_code)

    async def join(self, *groups: str) -> bool:
        """Ask to be told what is sent to these groups. False without Redis: nothing is heard then."""
        # Twice, because a connection from before Redis was restarted fails at its first use.
        for attempt in (1, 2):
            error = await self._try_to_join(groups)
            if error is None:
                return True
            log.warning("socket hears no notices", attempt=attempt, error=type(error).__name__)
            if isinstance(error, TimeoutError):
                return False
        return False

    async def _join_later(self, groups: tuple[str, ...]) -> None:
        """Until then a look a second is what ends the socket with its session."""
        while True:
            await asyncio.sleep(JOIN_AGAIN_S)
            if await self._try_to_join(groups) is None:
                return

    async def _try_to_join(self, groups: tuple[str, ...]) -> Exception | None:
        """What went wrong; None when nothing did."""
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in groups:
                    await self.channel_layer.group_add(group, self.channel_name)
                    self._groups_joined.append(group)
        except Exception as error:  # noqa: BLE001 - whatever the layer is made of: it is away, the socket is not
            return error
        return None

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - Channels' signature
        """Leave the groups and end what the socket has begun."""
        if self._counted is not None:
            _open[self._counted] -= 1
            metrics.sockets_open.value -= 1
            if not _open[self._counted]:
                del _open[self._counted]
        if self._gone is not None:
            self._gone()
        if self._joining is not None:
            await end_task(self._joining)
        with contextlib.suppress(Exception):  # as in `join`
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._groups_joined:
                    await self.channel_layer.group_discard(group, self.channel_name)
        # One that was refused has begun nothing.
        tasks = self.tasks() if self._counted is not None else []
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
        await self._close_once(NOT_SIGNED_IN)

    async def account_told(self, event: dict[str, Any]) -> None:
        """Something has happened to the account. Only a socket that listens to notices passes it on."""

    async def _sent_away(self, why: Leaving) -> None:
        """No notice came, and the access has ended; or what let the socket in is doubted, and its owner comes back."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._close_once(NOT_SIGNED_IN if why is Leaving.ENDED else TRY_AGAIN_LATER)
        except TimeoutError:
            await self.hang_up()

    async def _close_once(self, code: int) -> None:
        """A notice and a look may find the same end."""
        if not self._is_closing:
            self._is_closing = True
            await self.close(code)

    async def require_access(self) -> None:
        """A frame is let in as a request is: by the session as it is now, whatever notice was lost.

        Raises:
            NotSignedIn: the session or its user was signed out; the socket is closed.
        """
        if not await may_stay(self.identity):
            await self._close_once(NOT_SIGNED_IN)
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
