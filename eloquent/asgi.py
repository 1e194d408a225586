"""The front door: every connection comes in here and is sent down its road.

- `/api`, `/v1`, `/.well-known`, `/healthz`, `/readyz`: the request road, `eloquent.handlers.AsyncHandler`.
- every other path: the desk road, Django's own handler (admin, pages).
- `/ws/chat`: the chat socket; `/ws/notices`: what happens on the user's other devices.
- lifespan: opens what the process needs and closes it in order, see `eloquent.lifespan`.

Served by uvicorn with `--timeout-graceful-shutdown 5`: when uvicorn shuts down, the runs are at rest already.
"""

import os
from typing import Any, cast

from django.core.asgi import get_asgi_application

from eloquent.roads import ASGIApplication, Receive, Scope, Send, on_request_road

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eloquent.settings")

# In the range for applications; 4404 as HTTP's 404.
CLOSE_NOTHING_HERE = 4404


async def nothing_here(_scope: Scope, receive: Receive, send: Send) -> None:
    """A websocket to a path or host that leads nowhere: refused before it is opened, without a traceback in the log."""
    await receive()
    await send({"type": "websocket.close", "code": CLOSE_NOTHING_HERE})


def front_door() -> ASGIApplication:
    """Set Django up and make the ASGI application."""
    django_handler = cast(ASGIApplication, get_asgi_application())

    # These import models, which exist only now.
    from channels.routing import URLRouter
    from django.urls import path, re_path

    from chat.consumers import ChatConsumer
    from chat.notice_socket import NoticesConsumer
    from eloquent.desk_road import bounded
    from eloquent.foundation.hosts import host_is_served
    from eloquent.handlers import AsyncHandler
    from eloquent.lifespan import Lifespan
    from eloquent.middleware import problem_response

    desk_road = bounded(django_handler)
    request_road = AsyncHandler(exception_response=problem_response)
    sockets = URLRouter(
        [
            path("ws/chat", ChatConsumer.as_asgi()),
            path("ws/notices", NoticesConsumer.as_asgi()),
            re_path("", cast(Any, nothing_here)),
        ]
    )
    lifespan = Lifespan(end_streams=request_road.end_streams)

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await (request_road if on_request_road(scope) else desk_road)(scope, receive, send)
        elif kind == "websocket":
            await (sockets if host_is_served(scope["headers"]) else nothing_here)(scope, receive, send)
        elif kind == "lifespan":
            await lifespan(scope, receive, send)
        else:
            raise ValueError(f"There is no road for a connection of type {kind}.")

    return door


application = front_door()
