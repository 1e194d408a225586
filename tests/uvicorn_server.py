"""The real server inside a test's own event loop: real HTTP and sockets, and objects a test can reach into."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from eloquent.serving.http_protocol import BoundedHttp


class _Server(uvicorn.Server):
    """Says when it has started, and leaves Ctrl-C to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.start_is_over = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:
            # Let loose in a task it would end the whole test run.
            raise RuntimeError("The application refused to start.") from error
        finally:
            self.start_is_over.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running_server(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI application, lifespan included, on a free loopback port; yields `http://127.0.0.1:PORT`.

    It answers only while the loop runs, so only to async tests. `options` are uvicorn's.

    Raises:
        RuntimeError: the application refused to start.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    options = {"lifespan": "on", "log_config": None, "access_log": False, "timeout_graceful_shutdown": 5} | options
    options = {
        "http": BoundedHttp,
        "proxy_headers": False,
    } | options  # as it is deployed: the application reads X-Forwarded-For itself
    server = _Server(uvicorn.Config(app, **options))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.start_is_over.wait()
        if server.started:
            yield "http://{}:{}".format(*listener.getsockname())
    finally:
        server.should_exit = True
        await serving
        listener.close()
