"""The product as a side of the comparison: starts it as in production, signs users in, makes its requests, checks what
it saved.

Each answer is asked for in a conversation that has earlier messages, and in each conversation only one is asked for, so
that every answer of the bench has the same history to read. The conversations are copies of two that were had with the
product.
"""

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bson import ObjectId
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pymongo import MongoClient

from tests.bench.answers import ANSWERS, question, text_of
from tests.bench.plans import ListName, Load, Plan, UserPlan, Wire, handshake, http_request, source_of
from tests.bench.servers import PROJECT, UVICORN, Server, StartError, running

DATABASE = "bench_eloquent"
HISTORY_TURNS = 3
TURNS_OF_THE_LONG_ONE = 20
COPIES_EACH = 100


class RefusedError(Exception):
    """The product said no to a request that prepares the bench."""


class EloquentSide:
    """The product."""

    name = "Eloquent"

    def __init__(self, server: Server, mongodb_uri: str, users: int) -> None:
        self.pid = server.pid
        self._port = server.port
        self._database: Any = MongoClient(mongodb_uri, tz_aware=True)[DATABASE]
        self._users = [_SignedIn(server.port, number) for number in range(users)]
        first = self._users[0]
        self._template = first.conversation_of(HISTORY_TURNS)
        long_one = first.conversation_of(TURNS_OF_THE_LONG_ONE)
        self._shown = [self._copies(long_one, user, 1)[0] for user in self._users]
        self._fresh = [deque(self._copies(self._template, user, COPIES_EACH)) for user in self._users]
        self._given: dict[ObjectId, int] = {}

    def _copies(self, conversation: ObjectId, user: "_SignedIn", count: int) -> list[ObjectId]:
        """New conversations of the user, with messages and runs like this one's and ids of their own."""
        originals = {
            "conversations": list(self._database.conversations.find({"_id": conversation})),
            "messages": list(self._database.messages.find({"conversation_id": conversation}).sort("_id", 1)),
            "runs": list(self._database.runs.find({"conversation_id": conversation}).sort("_id", 1)),
        }
        owner = originals["conversations"][0]["user_id"]
        copies: dict[str, list[Any]] = {name: [] for name in originals}
        made = []
        for _ in range(count):
            new_ids = {one["_id"]: ObjectId() for documents in originals.values() for one in documents}
            new_ids[owner] = user.id
            for name, documents in originals.items():
                copies[name] += [_with_ids(one, new_ids) for one in documents]
            made.append(new_ids[conversation])
        for name, documents in copies.items():
            self._database[name].insert_many(documents)
        return made

    def answers(self, wire: Wire, model: str, load: Load) -> Plan:
        return Plan(
            wire,
            "eloquent-socket" if wire == "socket" else "eloquent-sse",
            self._port,
            [self._asker(wire, model, number, load) for number in range(len(self._users))],
            load.warm_up,
            load.stagger_s,
        )

    def _asker(self, wire: Wire, model: str, number: int, load: Load) -> UserPlan:
        user, fresh = self._users[number], self._fresh[number]
        if len(fresh) < load.each:
            fresh.extend(self._copies(self._template, user, COPIES_EACH))
        exchanges = []
        for turn in range(load.each):
            conversation, answer = fresh.popleft(), (number + turn) % ANSWERS
            ask = _frame if wire == "socket" else user.run_request
            exchanges.append((ask(conversation, load.model_of(turn, model), question(answer)), text_of(answer)))
            self._given[conversation] = answer
        return UserPlan(source_of(number), exchanges, user.handshake() if wire == "socket" else "")

    def lists(self, name: ListName, load: Load) -> Plan:
        users = []
        for number, (user, shown) in enumerate(zip(self._users, self._shown, strict=True)):
            if name == "conversations":
                path = "/api/v1/conversations"
                found = self._database.conversations.find({"user_id": user.id})
                ids = [one["_id"] for one in found.sort([("updated_at", -1), ("_id", -1)]).limit(30)]
            else:
                path = f"/api/v1/conversations/{shown}/messages"
                found = self._database.messages.find({"conversation_id": shown}).sort("_id", -1).limit(30)
                ids = [one["_id"] for one in found][::-1]
            request = http_request("GET", path, self._port, headers=user.signed)
            users.append(UserPlan(source_of(number), [(request, " ".join(map(str, ids)))] * load.each))
        return Plan("http", "list", self._port, users, load.warm_up)

    def not_saved(self) -> list[str]:
        found = self._database.messages.find({"conversation_id": {"$in": list(self._given)}}).sort("_id", 1)
        messages: dict[ObjectId, list[Any]] = {}
        for one in found:
            messages.setdefault(one["conversation_id"], []).append(one)
        wrong = []
        for conversation, answer in self._given.items():
            *earlier, asked, answered = messages.get(conversation, [{}, {}])
            right = len(earlier) == 2 * HISTORY_TURNS and answered.get("parent_id") == asked.get("_id")
            if not right or answered.get("status") != "complete" or answered.get("text") != text_of(answer):
                wrong.append(f"{self.name} has not saved the answer of conversation {conversation} as it was given")
        self._given.clear()
        return wrong


class _SignedIn:
    """A registered user with an access token."""

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._source = source_of(number)
        account = {
            "email": f"bench{number}@example.org",
            "password": secrets.token_urlsafe(18),
            "name": f"User {number}",
        }
        self.signed: dict[str, str] = {}
        registered = self._post("/api/v1/auth/register", account)
        self.id = ObjectId(registered["user"]["id"])
        self.signed = {"Authorization": f"Bearer {registered['access_token']}"}

    def _post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60, source_address=(self._source, 0))
        try:
            text = json.dumps(body or {})
            connection.request("POST", path, text, self.signed | {"Content-Type": "application/json"})
            response = connection.getresponse()
            said = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RefusedError(f"POST {path} answered {response.status}: {said[:500].decode(errors='replace')}")
        return said if response.getheader("Content-Type", "").startswith("text/event-stream") else json.loads(said)

    def conversation_of(self, turns: int) -> ObjectId:
        """A new conversation in which so many questions were asked and answered."""
        conversation = self._post("/api/v1/conversations", {"title": "Why the sky is blue at noon"})["id"]
        self.signed["Accept"] = "text/event-stream"
        for turn in range(turns):
            asked = {"parts": [{"type": "text", "text": question(turn % ANSWERS, turn)}], "model": "bench-whole:latest"}
            stream = self._post(f"/api/v1/conversations/{conversation}/runs", asked)
            if not stream.endswith(b"data: [DONE]\n\n"):
                raise RefusedError(f"The answer that prepares a conversation did not end: {stream[-500:]!r}")
        del self.signed["Accept"]
        return ObjectId(conversation)

    def run_request(self, conversation: ObjectId, model: str, text: str) -> str:
        """The request for an answer as SSE."""
        headers = self.signed | {"Accept": "text/event-stream"}
        body = {"parts": [{"type": "text", "text": text}], "model": f"{model}:latest"}
        path = f"/api/v1/conversations/{conversation}/runs"
        return http_request("POST", path, self._port, headers=headers, body=body)

    def handshake(self) -> str:
        """A socket's opening request with a new ticket."""
        ticket = self._post("/api/v1/auth/socket-ticket")["ticket"]
        headers = {"Origin": f"http://127.0.0.1:{self._port}"}
        headers["Sec-WebSocket-Protocol"] = f"eloquent.chat.v1, ticket.{ticket}"
        return handshake("/ws/chat", self._port, headers=headers)


def _frame(conversation: ObjectId, model: str, text: str) -> str:
    """The AI SDK's frame that asks for an answer."""
    message = {"id": secrets.token_hex(8), "role": "user", "parts": [{"type": "text", "text": text}]}
    frame = {"type": "send", "requestId": secrets.token_hex(8), "id": str(conversation), "trigger": "submit-message"}
    return json.dumps(frame | {"messages": [message], "headers": {}, "body": {"model": f"{model}:latest"}})


def _with_ids(value: Any, new_ids: dict[ObjectId, ObjectId]) -> Any:
    """The value with ids replaced wherever they are in it."""
    if isinstance(value, ObjectId):
        return new_ids.get(value, value)
    if isinstance(value, dict):
        return {key: _with_ids(inner, new_ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, new_ids) for inner in value]
    return value


def _signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


@contextmanager
def eloquent_side(mongodb_uri: str, ollama_port: int, directory: Path, users: int) -> Iterator[EloquentSide]:
    """The product, migrated, running with the settings of production, and filled.

    Raises:
        StartError: its migrations failed, or it did not start.
        RefusedError: it would not register users or answer them.
    """
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "DJANGO_SETTINGS_MODULE": "eloquent.settings",
        "ELOQUENT_ENV": "prod",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "JWT_PRIVATE_KEY": _signing_key(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "ALLOWED_ORIGINS": "",
        "ELOQUENT_STATE_DIR": str(directory),
        "MONGODB_URI": mongodb_uri,
        "MONGODB_NAME": DATABASE,
        "OLLAMA_HOST": f"http://127.0.0.1:{ollama_port}",
        "OLLAMA_MODEL": "bench-burst:latest",
        **dict.fromkeys(("REDIS_URL", "LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "DEBUG", "LOG_LEVEL", "WORKERS"), ""),
    }
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    migrated = subprocess.run(migrate, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    if migrated.returncode:
        raise StartError(f"The product's migrations failed:\n{migrated.stderr[-2000:]}")
    with running("eloquent", [*UVICORN, "eloquent.asgi:application"], environment, directory) as server:
        yield EloquentSide(server, mongodb_uri, users)
