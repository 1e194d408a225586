"""The product under test: its settings as in production, its processes, its users, and their conversations."""

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from bson import ObjectId
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from eloquent.embedded import ports
from tests.bench.answers import ANSWERS, question, text_of
from tests.bench.plans import handshake, http_request, source_of
from tests.bench.servers import PROJECT, UVICORN, Server, StartError, running

HISTORY_TURNS = 3
# As `make run` starts it; and with the same flags as any other application's server, for a comparison.
OWN_SERVER = ("-m", "eloquent.serving.web_server", "--host", ports.LOOPBACK)
PLAIN_UVICORN = (*UVICORN, "eloquent.asgi:application")
_SSE = ({}, {"Accept": "text/event-stream"})


class RefusedError(Exception):
    """The product said no to a request that prepares the bench."""


@cache
def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


@cache
def _secret_key() -> str:
    return secrets.token_urlsafe(64)


def settings_of(
    *, mongodb_uri: str, database: str, ollama_port: int, directory: Path, redis_url: str = ""
) -> dict[str, str]:
    """The environment of a server in production. All servers of a bench share their keys."""
    return os.environ | {
        "PYTHONPATH": str(PROJECT),
        "DJANGO_SETTINGS_MODULE": "eloquent.settings",
        "ELOQUENT_ENV": "prod",
        "SECRET_KEY": _secret_key(),
        "JWT_PRIVATE_KEY": _signing_key(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "ALLOWED_ORIGINS": "",
        "ELOQUENT_STATE_DIR": str(directory),
        "MONGODB_URI": mongodb_uri,
        "MONGODB_NAME": database,
        "REDIS_URL": redis_url,
        "OLLAMA_HOST": f"http://127.0.0.1:{ollama_port}",
        "OLLAMA_MODEL": "bench-burst:latest",
        "TITLE_MODEL": "off",  # the peer names nothing either
        # Counted as in production, and never reached: one user here asks as often as a thousand.
        **dict.fromkeys(
            (
                "RATE_LIMIT_USER_PER_MINUTE",
                "RATE_LIMIT_KEY_PER_MINUTE",
                "RATE_LIMIT_ADDRESS_PER_MINUTE",
                "RATE_LIMIT_RUNS_PER_MINUTE",
            ),
            "10000000",
        ),
        **dict.fromkeys(
            ("LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "BEDROCK_MODEL_ID", "DEBUG", "LOG_LEVEL", "WORKERS"), ""
        ),
    }


def migrate(environment: Mapping[str, str], directory: Path) -> None:
    """Make the database's collections and indexes.

    Raises:
        StartError: with what was said.
    """
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    migrated = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    if migrated.returncode:
        raise StartError(f"The product's migrations failed:\n{migrated.stderr[-2000:]}")


@contextmanager
def server(
    name: str, environment: Mapping[str, str], directory: Path, command: Sequence[str] = OWN_SERVER
) -> Iterator[Server]:
    """One process of the product, on a database that is migrated.

    Raises:
        StartError: it did not start.
    """
    with running(name, list(command), environment, directory) as started:
        yield started


class SignedIn:
    """A registered user with an access token. His requests are good for every process on the same database."""

    def __init__(self, port: int, number: int) -> None:
        self.port = port
        self.source = source_of(number)
        account = {
            "email": f"bench{number}@example.org",
            "password": secrets.token_urlsafe(18),
            "name": f"User {number}",
        }
        self.signed: dict[str, str] = {}
        registered = self.post("/api/v1/auth/register", account)
        self.id = ObjectId(registered["user"]["id"])
        self.signed = {"Authorization": f"Bearer {registered['access_token']}"}

    def post(self, path: str, body: dict[str, Any] | None = None, *, stream: bool = False) -> Any:
        """What the server answers: a stream's bytes, or parsed JSON.

        Raises:
            RefusedError: with its words.
        """
        headers = self.signed | {"Content-Type": "application/json"} | _SSE[stream]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(self.source, 0))
        try:
            connection.request("POST", path, json.dumps(body or {}), headers)
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RefusedError(f"POST {path} answered {response.status}: {said[:500].decode(errors='replace')}")
        return said if stream else json.loads(said)

    def conversation_of(self, turns: int) -> ObjectId:
        """A new conversation in which so many questions were asked and answered."""
        conversation = self.post("/api/v1/conversations", {"title": "Why the sky is blue at noon"})["id"]
        for turn in range(turns):
            asked = {"parts": [{"type": "text", "text": question(turn % ANSWERS, turn)}], "model": "bench-whole:latest"}
            answered = self.post(f"/api/v1/conversations/{conversation}/runs", asked, stream=True)
            if not answered.endswith(b"data: [DONE]\n\n"):
                raise RefusedError(f"The answer that prepares a conversation did not end: {answered[-500:]!r}")
        return ObjectId(conversation)

    def run_request(self, conversation: ObjectId, model: str, text: str) -> str:
        """The request for an answer as SSE."""
        headers = self.signed | {"Accept": "text/event-stream"}
        body = {"parts": [{"type": "text", "text": text}], "model": f"{model}:latest"}
        path = f"/api/v1/conversations/{conversation}/runs"
        return http_request("POST", path, self.port, headers=headers, body=body)

    def stream_request(self, run_id: str, *, after: int | None = None) -> str:
        """The request to read a run, from its beginning or behind an event."""
        last = {} if after is None else {"Last-Event-ID": str(after)}
        headers = self.signed | {"Accept": "text/event-stream"} | last
        return http_request("GET", f"/api/v1/runs/{run_id}/stream", self.port, headers=headers)

    def handshake(self) -> str:
        """A socket's opening request with a new ticket."""
        return self.handshake_with(json.dumps(self.post("/api/v1/auth/socket-ticket")).encode())

    def ticket_request(self) -> str:
        """The request for a ticket."""
        return http_request("POST", "/api/v1/auth/socket-ticket", self.port, headers=self.signed, body={})

    def handshake_with(self, ticket_reply: bytes, *, extensions: str = "") -> str:
        """A socket's opening request with the ticket that was answered."""
        headers = {"Origin": f"https://127.0.0.1:{self.port}"}
        headers["Sec-WebSocket-Protocol"] = f"eloquent.chat.v1, ticket.{json.loads(ticket_reply)['ticket']}"
        if extensions:
            headers["Sec-WebSocket-Extensions"] = extensions
        return handshake("/ws/chat", self.port, headers=headers)


def copies(database: Any, conversation: ObjectId, owner: ObjectId, count: int) -> list[ObjectId]:
    """New conversations of the owner, with messages and runs like this one's and ids of their own."""
    originals = {
        "conversations": list(database.conversations.find({"_id": conversation})),
        "messages": list(database.messages.find({"conversation_id": conversation}).sort("_id", 1)),
        "runs": list(database.runs.find({"conversation_id": conversation}).sort("_id", 1)),
    }
    first_owner = originals["conversations"][0]["user_id"]
    made_of: dict[str, list[Any]] = {name: [] for name in originals}
    made = []
    for _ in range(count):
        new_ids = {one["_id"]: ObjectId() for documents in originals.values() for one in documents}
        new_ids[first_owner] = owner
        for name, documents in originals.items():
            made_of[name] += [_with_ids(one, new_ids) for one in documents]
        made.append(new_ids[conversation])
    for name, documents in made_of.items():
        database[name].insert_many(documents)
    return made


def _with_ids(value: Any, new_ids: dict[ObjectId, ObjectId]) -> Any:
    """The value with ids replaced wherever they are in it."""
    if isinstance(value, ObjectId):
        return new_ids.get(value, value)
    if isinstance(value, dict):
        return {key: _with_ids(inner, new_ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, new_ids) for inner in value]
    return value


def not_saved(database: Any, given: Mapping[ObjectId, tuple[int, int]]) -> list[str]:
    """A sentence for each conversation that does not end with its answer (number and length), saved as complete.

    Each has `HISTORY_TURNS` before it.
    """
    found = database.messages.find({"conversation_id": {"$in": list(given)}}).sort("_id", 1)
    messages: dict[ObjectId, list[Any]] = {}
    for one in found:
        messages.setdefault(one["conversation_id"], []).append(one)
    wrong = []
    for conversation, (answer, length) in given.items():
        *earlier, asked, answered = messages.get(conversation, [{}, {}])
        right = len(earlier) == 2 * HISTORY_TURNS and answered.get("parent_id") == asked.get("_id")
        if not right or answered.get("status") != "complete" or answered.get("text") != text_of(answer, length):
            wrong.append(f"the answer of conversation {conversation} is not saved as it was given")
    return wrong
