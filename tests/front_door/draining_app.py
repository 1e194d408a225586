"""An application for a uvicorn of its own: the real handler and lifespan, with runs that end when the test says so."""
# ruff: noqa: E402 - Django is set up first

import asyncio
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eloquent.settings")

import django

django.setup()

from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from chat import work
from eloquent.foundation.lifecycle import is_draining
from tests.front_door.views import silent_stream

finished = asyncio.Event()


def say(what: str) -> None:
    print(what, flush=True)


async def startup() -> None:
    say("started")


async def drain(within_s: float = 0) -> None:
    say(f"drain {within_s:g}")
    try:
        async with asyncio.timeout(within_s):
            await finished.wait()
    except TimeoutError:
        say("interrupted")


async def state(request: HttpRequest) -> HttpResponse:
    return HttpResponse("draining" if is_draining() else "open")


async def finish(request: HttpRequest) -> HttpResponse:
    finished.set()
    return HttpResponse("finished")


urlpatterns = [path("api/state", state), path("api/finish", finish), path("api/silent", silent_stream)]

work.startup, work.drain = startup, drain
override_settings(ROOT_URLCONF=__name__, REQUEST_ROAD_MIDDLEWARE=[]).enable()

from eloquent.handlers import AsyncHandler
from eloquent.lifespan import Lifespan

handler = AsyncHandler()
lifespan = Lifespan(end_streams=handler.end_streams)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await (lifespan if scope["type"] == "lifespan" else handler)(scope, receive, send)
