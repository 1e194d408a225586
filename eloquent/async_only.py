"""What would block the request road: its sync views, operations and authentications, found before they are served."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RegexPattern
from ninja.operation import PathView
from ninja.utils import is_async_callable

from eloquent.roads import REQUEST_ROAD

View: TypeAlias = Callable[..., Any]

# Ninja's documents are plain functions that read nothing but memory (and one template): they run where they stand.
_NINJA_DOCUMENTS: Final = "ninja.openapi.views"
# In a route as written here, what comes from the path's own text rather than from ours.
_VARIABLE: Final = "<"


class SyncOnRequestRoad(ImproperlyConfigured):
    """Something on the request road would block every other request; one sentence for each offender."""


def sync_on_request_road(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """A sentence for each view below these patterns that a request-road path can reach and that is not async."""
    for pattern in patterns:
        route = prefix + _route(pattern)
        if isinstance(pattern, URLResolver):
            first, slash, _ = route.partition("/")
            if not slash or _on_road(first):
                yield from sync_on_request_road(pattern.url_patterns, route)
        elif _on_road(route.partition("/")[0]):
            yield from sync_faults(pattern.callback, route)


def sync_faults(view: View, route: str) -> Iterator[str]:
    """A sentence for each part of the view that is not async; none when it may be served on the request road."""
    if found := path_view(view):
        for operation in found.operations:
            where = f"{'/'.join(operation.methods)} /{route} ({view_name(operation.view_func)})"
            if not operation.is_async:
                yield f"{where} is a sync operation; the request road takes `async def` only."
            for callback in operation.auth_callbacks:
                # Ninja's own question: what is not async by it is sent to a thread for each request.
                if not (is_async_callable(callback) or getattr(callback, "is_async", False)):
                    yield f"{where} authenticates with {view_name(callback)}, which is sync."
    elif not runs_inline(view) and not iscoroutinefunction(view):
        yield f"/{route} ({view_name(view)}) is a sync view; the request road takes `async def` only."


def runs_inline(view: View) -> bool:
    """Whether the view is one of ninja's own documents, which are sync and never wait."""
    return isinstance(view, partial) and view.func.__module__ == _NINJA_DOCUMENTS


def view_name(view: object) -> str:
    """The view's dotted name, for a sentence."""
    if isinstance(view, partial):
        view = view.func
    # What as_view() returns carries the class.
    view = getattr(view, "view_class", view)
    if not hasattr(view, "__qualname__"):
        view = type(view)
    return f"{view.__module__}.{getattr(view, '__qualname__', view)}"


def _on_road(first_segment: str) -> bool:
    return first_segment in REQUEST_ROAD or _VARIABLE in first_segment


def _route(pattern: URLPattern | URLResolver) -> str:
    """The pattern as text, each variable part shown as `<`."""
    text = str(pattern.pattern)
    if isinstance(pattern.pattern, RegexPattern):
        text = text.removeprefix("^").removesuffix("$").removesuffix(r"\Z").replace(r"\.", ".")
        text = re.sub(r"[\[(*+?|\\].*", _VARIABLE, text)
    return text


def path_view(view: View) -> PathView | None:
    """The ninja PathView behind a view: ninja hands Django a closure over it."""
    for cell in getattr(view, "__closure__", None) or ():
        if isinstance(cell.cell_contents, PathView):
            return cell.cell_contents
    return None
