"""What the request road refuses."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import async_only_middleware
from django.views import View
from ninja import NinjaAPI


def sync_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class SyncClassView(View):
    def get(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponse()


class AsyncClassView(View):
    async def get(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponse()


def sync_auth(request: HttpRequest) -> str:
    return "anybody"


async def async_auth(request: HttpRequest) -> str:
    return "anybody"


def ninja_api(name: str) -> NinjaAPI:
    api = NinjaAPI(urls_namespace=name, version=name, openapi_url=None)

    @api.get("/fine", auth=async_auth)
    async def fine(request: HttpRequest) -> dict:
        return {}

    if name == "sync-operation":

        @api.post("/fine")
        def blocks(request: HttpRequest) -> dict:
            return {}

    if name == "sync-auth":

        @api.get("/guarded", auth=[async_auth, sync_auth])
        async def guarded(request: HttpRequest) -> dict:
            return {}

    return api


def sync_middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    return middleware


@async_only_middleware
def async_middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    async def middleware(request: HttpRequest) -> Any:
        return await get_response(request)

    return middleware


class HookedMiddleware:
    """Async, with a hook that only Django's own handler calls."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[..., Any]) -> None:
        from asgiref.sync import markcoroutinefunction

        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> Any:
        return await self.get_response(request)

    def process_view(self, *_: Any) -> None:
        return None


def urlconf(*patterns: Any) -> Any:
    """A module-like object with these patterns."""
    return type("Urls", (), {"urlpatterns": list(patterns)})
