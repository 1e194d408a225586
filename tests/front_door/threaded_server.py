"""uvicorn as it is deployed (uvloop, httptools), in a thread: a test's plain sockets talk to it from outside."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import uvicorn
import uvloop

from eloquent.asgi import application
from eloquent.foundation import lifecycle
from eloquent.serving.http_protocol import BoundedHttp
from eloquent.serving.own_tls import own_tls
from inference.catalog import offering
from inference.providers.scripted import Scripted, saying
from tests.chat.conftest import SCRIPTED


class ThreadedServer:
    """A server whose loop is in another thread; with TLS as behind a load balancer, if so asked."""

    def __init__(self, app: Any, *, tls: bool = False, **options: Any) -> None:
        self.is_tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        options = {"lifespan": "off", "log_config": None, "timeout_graceful_shutdown": 2, **options}
        if tls:
            options["ssl_context_factory"] = own_tls
        self._server = uvicorn.Server(uvicorn.Config(app, loop="uvloop", **({"http": BoundedHttp} | options)))
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server does not stop"

    def connections(self) -> int:
        """How many connections the server holds."""
        return len(self._server.server_state.connections)

    def call(self, function: Callable[[], Any]) -> None:
        """Run it in the server's event loop."""
        self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve(sockets=[self._listener]))


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[ThreadedServer]:
    """Serve `app` while the block runs. The listener is open from the start: a client may connect at once."""
    server = ThreadedServer(app, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serving_chat() -> Iterator[str]:
    """Serve the whole chat of this process, with a language model that says Hello; yields `http://127.0.0.1:PORT`."""
    with offering(SCRIPTED, Scripted(lambda _: saying("Hello"))), serving(application, lifespan="on") as server:
        yield f"http://127.0.0.1:{server.port}"
    # Its end has told this process, in which another server goes on, that it is on its way out.
    lifecycle.open_for_work()


def asking_no_certificate() -> ssl.SSLContext:
    """As a load balancer of AWS does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Connection:
    """A socket that speaks HTTP/1.1 as slowly, as partially and as rudely as a test wants."""

    def __init__(self, server: ThreadedServer, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", server.port))
        if server.is_tls:
            self.socket = asking_no_certificate().wrap_socket(self.socket)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> None:
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *headers])
        self.socket.sendall(head.encode() + b"\r\n\r\n" + body)

    def until(self, end: bytes) -> bytes:
        """What arrives up to and with `end`."""
        while end not in self._buffer:
            more = self.socket.recv(65536)
            assert more, f"closed before {end!r}, after {self._buffer[-200:]!r}"
            self._buffer += more
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One response with an announced length: status, headers, body."""
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").splitlines()[:-1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            self._buffer += self.socket.recv(65536)
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(first.split(" ")[1]), headers, body

    def rest(self) -> bytes:
        """What arrives until the other end closes."""
        while more := self.socket.recv(65536):
            self._buffer += more
        return self._buffer
