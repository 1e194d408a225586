"""Pinecone's two addresses in one server: where an index is, and a search in it.

The shapes are those of its REST API, https://docs.pinecone.io/reference/api/2025-04/. It finds records that have a
word of the query, for a key that it knows.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from eloquent.roads import Receive, Scope, Send
from tests.uvicorn_server import running_server

KEY = "pcsk_a-key-of-pinecone"
INDEX = "team-knowledge"


@dataclass
class FakePinecone:
    """`records` are what is in the index; `answer`, when set, is what every request gets instead: status and body."""

    url: str = ""
    host: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None
    moved: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"]
        self.asked.append((path, json.loads(body) if body else None))
        status, content = self.answer or self._answer(path, body, headers)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": content})

    def _answer(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if headers.get("api-key") != KEY or not headers.get("x-pinecone-api-version"):
            return 401, b'{"error": {"code": "UNAUTHENTICATED", "message": "Invalid API key."}, "status": 401}'
        if path == f"/indexes/{INDEX}":
            return 200, json.dumps({"name": INDEX, "host": self.host, "status": {"ready": True}}).encode()
        if path == "/records/namespaces/__default__/search" and not self.moved:
            asked = json.loads(body)
            words = set(asked["query"]["inputs"]["text"].lower().split())
            hits = [
                {"_id": record["_id"], "_score": 0.5, "fields": {n: record[n] for n in asked["fields"] if n in record}}
                for record in self.records
                if words & set(record["text"].lower().split())
            ]
            found = {"result": {"hits": hits[: asked["query"]["top_k"]]}, "usage": {"read_units": 1}}
            return 200, json.dumps(found).encode()
        self.moved = False
        return 404, b'{"error": {"code": "NOT_FOUND", "message": "no such thing"}, "status": 404}'


@asynccontextmanager
async def pinecone() -> AsyncIterator[FakePinecone]:
    """A running one, at `url`."""
    fake = FakePinecone()
    async with running_server(fake, lifespan="off") as url:
        fake.url, fake.host = url, url.removeprefix("http://")
        yield fake
