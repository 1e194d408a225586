"""The peer as a side of the comparison: starts it, fills its database, makes its requests, checks what it saved."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from tests.bench.answers import ANSWERS, question, text_of
from tests.bench.plans import ListName, Load, Plan, UserPlan, Wire, handshake, http_request, source_of
from tests.bench.servers import PROJECT, UVICORN, Server, running

DATABASE = "bench_peer"
CONVERSATIONS_EACH = 100
MESSAGES_OF_THE_LONG_ONE = 40


class PeerSide:
    """FastAPI + httpx + AsyncMongoClient."""

    name = "FastAPI peer"

    def __init__(self, server: Server, mongodb_uri: str, users: int) -> None:
        self.pid = server.pid
        self._port = server.port
        self._database: Any = MongoClient(mongodb_uri, tz_aware=True)[DATABASE]
        self._users = [ObjectId() for _ in range(users)]
        self._shown = [self._fill(user) for user in self._users]
        self._given: Counter[tuple[ObjectId, str]] = Counter()

    def _fill(self, user: ObjectId) -> ObjectId:
        """Conversations, and messages for one of them, which is returned."""
        now = datetime.now(UTC)
        conversations = [_conversation(user, now - timedelta(minutes=number)) for number in range(CONVERSATIONS_EACH)]
        self._database.conversations.insert_many(conversations)
        shown: ObjectId = conversations[0]["_id"]
        parent = None
        messages = []
        for number in range(MESSAGES_OF_THE_LONG_ONE):
            messages.append(_message(shown, parent, number, now))
            parent = messages[-1]["_id"]
        self._database.messages.insert_many(messages)
        return shown

    def answers(self, wire: Wire, model: str, load: Load) -> Plan:
        return Plan(
            wire,
            "peer-socket" if wire == "socket" else "peer-sse",
            self._port,
            [self._asker(wire, model, user, load) for user in range(len(self._users))],
            load.warm_up,
            load.stagger_s,
        )

    def _asker(self, wire: Wire, model: str, user: int, load: Load) -> UserPlan:
        # A socket is a conversation here; over HTTP each question names its own.
        conversation = ObjectId()
        exchanges = []
        for number in range(load.each):
            answer = (user + number) % ANSWERS
            asked = {"model": load.model_of(number, model), "text": question(answer)}
            if wire == "http":
                conversation = ObjectId()
                request = http_request("POST", f"/conversations/{conversation}/answers", self._port, body=asked)
            else:
                request = json.dumps(asked)
            exchanges.append((request, text_of(answer)))
            self._given[conversation, text_of(answer)] += 1
        return UserPlan(source_of(user), exchanges, handshake(f"/ws/{conversation}", self._port))

    def lists(self, name: ListName, load: Load) -> Plan:
        users = []
        for number, (user, shown) in enumerate(zip(self._users, self._shown, strict=True)):
            if name == "conversations":
                path = f"/users/{user}/conversations"
                found = self._database.conversations.find({"user_id": user}).sort("updated_at", -1)
            else:
                path = f"/conversations/{shown}/messages"
                found = self._database.messages.find({"conversation_id": shown}).sort("_id", -1)
            expected = " ".join(str(one["_id"]) for one in found.limit(30))
            users.append(UserPlan(source_of(number), [(http_request("GET", path, self._port), expected)] * load.each))
        return Plan("http", "list", self._port, users, load.warm_up)

    def not_saved(self) -> list[str]:
        conversations = list({conversation for conversation, _ in self._given})
        found = self._database.messages.find({"conversation_id": {"$in": conversations}})
        missing = self._given - Counter((one["conversation_id"], one["text"]) for one in found)
        self._given.clear()
        return [f"{self.name} has not saved an answer of conversation {conversation}" for conversation, _ in missing]


def _conversation(user: ObjectId, moment: datetime) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "user_id": user,
        "title": "Why the sky is blue at noon",
        "model": "bench-burst:latest",
        "system_prompt": "",
        "pinned": False,
        "archived": False,
        "leaf_id": ObjectId(),
        "message_count": 8,
        "created_at": moment,
        "updated_at": moment,
    }


def _message(conversation: ObjectId, parent: ObjectId | None, number: int, moment: datetime) -> dict[str, Any]:
    """The same texts as the product's messages have: questions and answers in turn."""
    answered = number % 2 == 1
    text = text_of(number // 2 % ANSWERS) if answered else question(number // 2 % ANSWERS, number)
    return {
        "_id": ObjectId(),
        "conversation_id": conversation,
        "parent_id": parent,
        "role": "assistant" if answered else "user",
        "parts": [{"type": "text", "text": text}],
        "status": "complete",
        "run_id": ObjectId() if answered else None,
        "model": "bench-burst:latest" if answered else "",
        "usage": {"input_tokens": 420, "output_tokens": 200} if answered else None,
        "error": None,
        "created_at": moment,
    }


def question_to_peer(port: int, model: str, answer: int, stream: int) -> str:
    """The request for an answer in a conversation of its own."""
    body = {"model": model, "text": question(answer, stream=stream)}
    return http_request("POST", f"/conversations/{ObjectId()}/answers", port, body=body)


@contextmanager
def running_peer(mongodb_uri: str, ollama_port: int, directory: Path) -> Iterator[Server]:
    """The peer's process.

    Raises:
        StartError: it did not start.
    """
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "PEER_MONGODB_URI": mongodb_uri,
        "PEER_MONGODB_NAME": DATABASE,
        "PEER_OLLAMA_HOST": f"http://127.0.0.1:{ollama_port}",
    }
    with running("peer", [*UVICORN, "tests.bench.peer:app"], environment, directory) as server:
        yield server


@contextmanager
def peer_side(mongodb_uri: str, ollama_port: int, directory: Path, users: int) -> Iterator[PeerSide]:
    """The peer, running and filled."""
    with running_peer(mongodb_uri, ollama_port, directory) as server:
        yield PeerSide(server, mongodb_uri, users)
