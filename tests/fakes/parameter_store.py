"""AWS's Parameter Store and Secrets Manager as far as reading by path goes, for what moto does not do: failures.

Each operation is answered by its entry of `answers`: JSON for 200, an `AwsError`, or a list of these, a page or a try
each. One without an entry has nothing to tell.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOTHING = {"GetParametersByPath": {"Parameters": []}, "BatchGetSecretValue": {"SecretValues": []}}


@dataclass(frozen=True)
class AwsError:
    """A refusal in the words of AWS's JSON protocol."""

    code: str
    status: int = 400


@dataclass
class FakeAws:
    """What it answers, and what it was asked: (operation, body)."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    silent: threading.Event | None = None
    """While this is there and not set, nothing is answered."""
    url: str = ""

    def answer_to(self, operation: str) -> Any:
        answer = self.answers.get(operation, NOTHING.get(operation, {}))
        return answer.pop(0) if isinstance(answer, list) else answer


@contextmanager
def fake_aws(**answers: Any) -> Iterator[FakeAws]:
    """Serving on loopback, at `url`."""
    aws = FakeAws(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            aws.asked.append((operation, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            if aws.silent is not None:
                aws.silent.wait()
                return
            answer = aws.answer_to(operation)
            status = answer.status if isinstance(answer, AwsError) else 200
            told = {"__type": answer.code, "message": "hunter2"} if isinstance(answer, AwsError) else answer
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield aws
    finally:
        if aws.silent is not None:
            aws.silent.set()
        server.shutdown()
        server.server_close()
