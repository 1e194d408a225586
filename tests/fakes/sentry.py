"""Sentry's door for reports: takes envelopes, and keeps the events in them and every byte that came."""

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import orjson


class FakeSentry:
    """At `dsn`. https://develop.sentry.dev/sdk/data-model/envelopes/"""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.bytes = b""
        self._changed = threading.Condition()
        sentry = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sentry._take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.dsn = f"http://publickey@127.0.0.1:{self._server.server_address[1]}/7"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _take(self, envelope: bytes) -> None:
        with self._changed:
            self.bytes += envelope
            _head, *items = envelope.splitlines()
            for head, item in zip(items[::2], items[1::2], strict=True):
                if orjson.loads(head)["type"] == "event":
                    self.events.append(orjson.loads(item))
            self._changed.notify_all()

    def until(self, true: Callable[[], object], within_s: float = 20.0) -> None:
        """Return when it is true, which is asked when something has come. Blocks."""
        with self._changed:
            assert self._changed.wait_for(true, within_s), self.events

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
