"""The request road's HTTP handler: async middleware and async views, with no thread in between.

Django's own ASGI handler opens a thread context for every request, closes the response in another thread and sends
signals to receivers that hop too: four fifths of what a short request costs. Here there is none of that. In exchange
nothing on this road may block: whatever is sync is refused when the handler is made.

What stays Django's: the URL resolver, the request and response classes, cookies and headers, and how an exception
becomes a response (`exception_response` may replace that).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

import structlog
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver, set_script_prefix, set_urlconf
from django.utils.module_loading import import_string

from eloquent.async_only import SyncOnRequestRoad, View, sync_faults, sync_on_request_road, view_name
from eloquent.delivery import hang_up, release, send_stream, send_whole
from eloquent.departures import Departure, Watch
from eloquent.foundation.errors import StreamCut
from eloquent.foundation.leaving import is_ended_with_client
from eloquent.foundation.lifecycle import is_draining
from eloquent.reception import ClientLeft, RoadRequest, linger, read_body, request_of
from eloquent.roads import Receive, Scope, Send, inner_path
from eloquent.surplus import MOST_BYTES, Share, Surplus

GetResponse: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
ExceptionResponse: TypeAlias = Callable[[HttpRequest, Exception], HttpResponseBase]

SEND_TIMEOUT_S: Final = 30.0
"""A reader that has taken nothing for so long is cut off."""

BODY_TIMEOUT_S: Final = 60.0
"""A request's body must have arrived by then."""

_LONGEST_KEPT_PATH: Final = 200
_ID: Final = re.compile("/[0-9a-f]{24}(?![^/])")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

log = structlog.get_logger(__name__)


class AsyncHandler:
    """An ASGI application for HTTP.

    Args:
        middleware: dotted names, outermost first; without it `settings.REQUEST_ROAD_MIDDLEWARE`.
        exception_response: makes the response to an exception that no view or middleware handled; called inside the
            `except` block. Django's own by default.
        max_body_bytes: a larger body is refused before it is read; without it `settings.DATA_UPLOAD_MAX_MEMORY_SIZE`.
        larger_bodies: path, with `{id}` for an id in it → bytes, for the few that take more; without it
            `settings.REQUEST_ROAD_LARGER_BODIES`.
        send_timeout_s: seconds for which one write to a streaming response's reader may block.
        body_timeout_s: seconds that a body may take to arrive.

    Raises:
        SyncOnRequestRoad: a middleware, view or authentication on the request road is sync.
    """

    def __init__(
        self,
        *,
        middleware: Iterable[str] | None = None,
        exception_response: ExceptionResponse = response_for_exception,
        max_body_bytes: int | None = None,
        larger_bodies: Mapping[str, int] | None = None,
        send_timeout_s: float = SEND_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._exception_response = exception_response
        self._max_body_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if max_body_bytes is None else max_body_bytes
        self._larger_bodies = settings.REQUEST_ROAD_LARGER_BODIES if larger_bodies is None else larger_bodies
        self._surplus = Surplus(
            usual_bytes=self._max_body_bytes, most_bytes=max(MOST_BYTES, *self._larger_bodies.values(), 0)
        )
        self._send_timeout_s = send_timeout_s
        self._body_timeout_s = body_timeout_s
        self._streams: set[Watch] = set()
        self._streams_cut = False
        self._admitted: set[View] = set()
        self._respond = self._chain(settings.REQUEST_ROAD_MIDDLEWARE if middleware is None else middleware)
        if faults := [*sync_on_request_road(get_resolver().url_patterns)]:
            raise SyncOnRequestRoad("\n".join(faults))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise ValueError(f"AsyncHandler serves HTTP, not {scope['type']}.")
        watch = Watch(receive)
        share = Share(self._surplus) if _route(scope) in self._larger_bodies else None
        try:
            try:
                await self._serve(scope, receive, send, watch, share)
            except ClientLeft:
                return
            except StreamCut:
                # Noted at once: it ends already, and the disconnect that hanging up brings must not cancel it.
                watch.departure = Departure.CLOSING
            except asyncio.CancelledError:
                # Ours ends here. Another's (the server gives up waiting for us) is passed on.
                if not watch.owns_cancellation():
                    raise
            if watch.departure in (Departure.STALLED, Departure.CLOSING):
                # A server in a hurry may cancel us here: the connection is closing, and nothing is left to be done.
                with suppress(asyncio.CancelledError):
                    await hang_up(send, watch)
        finally:
            if share is not None:
                share.close()
            self._streams.discard(watch)
            await watch.close()

    def end_streams(self) -> int:
        """End every response that is being streamed, without its closing chunk; return how many there were.

        For a process on its way out: the reader sees that its stream was cut, and resumes it at another process.
        """
        self._streams_cut = is_draining()  # one that comes from now on would only hold the process up
        streams = [*self._streams]
        for watch in streams:
            watch.end(Departure.CLOSING)
        return len(streams)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, watch: Watch, share: Share | None) -> None:
        max_bytes = self._max_body_bytes if share is None else self._larger_bodies[_route(scope)]
        body = await read_body(scope, receive, max_bytes=max_bytes, timeout_s=self._body_timeout_s, share=share)
        if script_prefix := get_script_prefix(scope):
            # Without one the default is right: each request has a context of its own.
            set_script_prefix(script_prefix)
        request = request_of(scope, body)
        request.watch = watch
        unread = body.unread
        del body  # a stream outlives it
        if not unread and request.method in _SAFE_METHODS:
            # Only reading is ended for a client that leaves. What it asked to be changed is changed to the end: half of
            # it (a password changed, its other sessions not ended) is what nobody asked for.
            watch.listen_later()
        try:
            response = await self._respond(request)
        except asyncio.CancelledError:
            request.close()
            raise
        try:
            if not response.streaming:
                await send_whole(cast(HttpResponse, response), request, send, last=not unread)
                if unread:
                    await linger(receive, send)
            else:
                request.forget_body()
                if share is not None:
                    share.close()
                self._streams.add(watch)
                if self._streams_cut and is_draining():
                    watch.end(Departure.CLOSING)
                watch.listen()
                watch.time_writes(self._send_timeout_s)
                await send_stream(cast(StreamingHttpResponse, response), request, send, watch)
        finally:
            release(response, request)

    def _chain(self, names: Iterable[str]) -> GetResponse:
        chain: GetResponse = self._guarded(self._run_view)
        for name in reversed([*names]):
            layer = import_string(name)(chain)
            if not iscoroutinefunction(layer):
                raise SyncOnRequestRoad(f"The middleware {name} is sync; the request road takes async middleware only.")
            for hook in ("process_view", "process_exception", "process_template_response"):
                if hasattr(layer, hook):
                    raise SyncOnRequestRoad(f"The middleware {name} has a {hook}, which the request road never calls.")
            chain = self._guarded(layer)
        return chain

    def _guarded(self, layer: GetResponse) -> GetResponse:
        """The layer with its exceptions made responses: the layer outside of it always gets a response."""

        async def guarded(request: HttpRequest) -> HttpResponseBase:
            try:
                return await layer(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                return self._response_for(request, error)

        return guarded

    def _response_for(self, request: HttpRequest, error: Exception) -> HttpResponseBase:
        try:
            return self._exception_response(request, error)
        except Exception:
            log.exception("an exception could not be answered as it should be")
            return HttpResponse("Internal Server Error", status=500, content_type="text/plain")

    async def _run_view(self, request: HttpRequest) -> HttpResponseBase:
        fault = cast(RoadRequest, request).fault
        if fault is not None:
            raise fault
        match = request.resolver_match or match_of(request)
        view = match.func
        if view not in self._admitted:
            self._admit(view, match.route)
        if is_ended_with_client(view) and (watch := cast(RoadRequest, request).watch) is not None:
            watch.listen_later()
        response: Any = view(request, *match.args, **match.kwargs)
        if not isinstance(response, HttpResponseBase):
            response = await response
        if not isinstance(response, HttpResponseBase):
            raise TypeError(f"The view {view_name(view)} returned {response!r}, which is not a response.")
        if not getattr(response, "is_rendered", True):
            response = cast(Any, response).render()
        if response.streaming and not cast(StreamingHttpResponse, response).is_async:
            release(response, request)
            raise TypeError(f"The view {view_name(view)} streams from a sync iterator, which blocks the event loop.")
        return cast(HttpResponseBase, response)

    def _admit(self, view: View, route: str) -> None:
        # Views that the walk at the start could not see: of a request's own urlconf.
        if faults := [*sync_faults(view, route)]:
            raise SyncOnRequestRoad("\n".join(faults))
        self._admitted.add(view)


def match_of(request: HttpRequest) -> ResolverMatch:
    """Django's resolver match for the request's path, noted on the request.

    Raises:
        Http404: the path leads nowhere.
    """
    urlconf = getattr(request, "urlconf", None)
    if urlconf is None:
        urlconf = settings.ROOT_URLCONF
    else:
        set_urlconf(urlconf)
    path = request.path_info
    # A long path is nobody's: kept in memory it would only be a way to fill it.
    short = len(path) <= _LONGEST_KEPT_PATH
    match = request.resolver_match = _kept_match(urlconf, path) if short else get_resolver(urlconf).resolve(path)
    return match


@lru_cache(maxsize=1024)
def _kept_match(urlconf: Any, path: str) -> ResolverMatch:
    # Django tries one pattern after the other, which for the last ones costs as much as the rest of a short request.
    # A match is only ever read: its arguments are copied into the view's call.
    match = get_resolver(urlconf).resolve(path)
    match.tried = None  # what else Django looked at: several kilobytes, for a page that is shown when nothing was found
    return match


def _route(scope: Scope) -> str:
    """The path with `{id}` for every id in it."""
    return _ID.sub("/{id}", inner_path(scope))
