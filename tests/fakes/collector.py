"""A collector of traces: takes OTLP over HTTP, and keeps the spans. As a process: `python -m tests.fakes.collector`."""

import argparse
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Attributes = dict[str, object]


def attributes_of(span: Span) -> Attributes:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


class Collector:
    """Answers with `status`; while `held`, not at all. For a test that waits: `until`."""

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.asked = 0
        self.spans: list[Span] = []
        self.resources: list[Attributes] = []
        self.answers = threading.Event()
        self.answers.set()
        self._changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(self.path, body)
                collector.answers.wait(60)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.asked += 1
            if self.status == 200:
                for resource in request.resource_spans:
                    self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
                    for scope in resource.scope_spans:
                        self.spans += scope.spans
            self._changed.notify_all()

    def until(self, true: Callable[[], object], within_s: float = 20.0) -> None:
        """Return when it is true, which is asked when something has come. Blocks."""
        with self._changed:
            assert self._changed.wait_for(true, within_s), [span.name for span in self.spans]

    def named(self, name: str) -> list[Span]:
        return [span for span in list(self.spans) if span.name == name]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    with Collector(options.parse_args().port) as collector:
        collector._thread.join()


if __name__ == "__main__":
    main()
