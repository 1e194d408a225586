"""The product as a side of the comparison: starts it as in production, signs users in, makes its requests, checks what
it saved.

Each answer is asked for in a conversation that has earlier messages, and in each conversation only one is asked for, so
that every answer of the bench has the same history to read. The conversations are copies of two that were had with the
product.
"""

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from tests.bench.answers import ANSWERS, TOKENS_PER_ANSWER, question, text_of
from tests.bench.plans import ListName, Load, Plan, UserPlan, Wire, http_request
from tests.bench.product import HISTORY_TURNS, PLAIN_UVICORN, SignedIn, copies, migrate, not_saved, server, settings_of
from tests.bench.servers import Server

DATABASE = "bench_eloquent"
TURNS_OF_THE_LONG_ONE = 20
COPIES_EACH = 100


class EloquentSide:
    """The product."""

    name = "Eloquent"

    def __init__(self, started: Server, mongodb_uri: str, users: int, *, database: str = DATABASE) -> None:
        self.pid = started.pid
        self._port = started.port
        self._database: Any = MongoClient(mongodb_uri, tz_aware=True)[database]
        self._users = [SignedIn(started.port, number) for number in range(users)]
        first = self._users[0]
        self._template = first.conversation_of(HISTORY_TURNS)
        long_one = first.conversation_of(TURNS_OF_THE_LONG_ONE)
        self._shown = [copies(self._database, long_one, user.id, 1)[0] for user in self._users]
        self._fresh = [deque(copies(self._database, self._template, user.id, COPIES_EACH)) for user in self._users]
        self._given: dict[ObjectId, tuple[int, int]] = {}

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
            fresh.extend(copies(self._database, self._template, user.id, COPIES_EACH))
        exchanges = []
        for turn in range(load.each):
            conversation, answer = fresh.popleft(), (number + turn) % ANSWERS
            ask = _frame if wire == "socket" else user.run_request
            exchanges.append((ask(conversation, load.model_of(turn, model), question(answer)), text_of(answer)))
            self._given[conversation] = (answer, TOKENS_PER_ANSWER)
        return UserPlan(user.source, exchanges, user.handshake() if wire == "socket" else "")

    def lists(self, name: ListName, load: Load) -> Plan:
        users = []
        for user, shown in zip(self._users, self._shown, strict=True):
            if name == "conversations":
                path = "/api/v1/conversations"
                found = self._database.conversations.find({"user_id": user.id})
                ids = [one["_id"] for one in found.sort([("updated_at", -1), ("_id", -1)]).limit(30)]
            else:
                path = f"/api/v1/conversations/{shown}/messages"
                found = self._database.messages.find({"conversation_id": shown}).sort("_id", -1).limit(30)
                ids = [one["_id"] for one in found][::-1]
            request = http_request("GET", path, self._port, headers=user.signed)
            users.append(UserPlan(user.source, [(request, " ".join(map(str, ids)))] * load.each))
        return Plan("http", "list", self._port, users, load.warm_up)

    def not_saved(self) -> list[str]:
        wrong = [f"{self.name}: {sentence}" for sentence in not_saved(self._database, self._given)]
        self._given.clear()
        return wrong


def _frame(conversation: ObjectId, model: str, text: str) -> str:
    """The AI SDK's frame that asks for an answer."""
    message = {"id": secrets.token_hex(8), "role": "user", "parts": [{"type": "text", "text": text}]}
    frame = {"type": "send", "requestId": secrets.token_hex(8), "id": str(conversation), "trigger": "submit-message"}
    return json.dumps(frame | {"messages": [message], "headers": {}, "body": {"model": f"{model}:latest"}})


@contextmanager
def eloquent_side(
    mongodb_uri: str,
    ollama_port: int,
    directory: Path,
    users: int,
    *,
    redis_url: str = "",
    database: str = DATABASE,
    more: Mapping[str, str] | None = None,
    command: Sequence[str] = PLAIN_UVICORN,
    through: Callable[[Server], AbstractContextManager[Server]] | None = None,
) -> Iterator[EloquentSide]:
    """The product, migrated, running with the settings of production and `more` of them, and filled.

    `through` is what stands between its clients and it.

    Raises:
        StartError: its migrations failed, or it did not start.
        RefusedError: it would not register users or answer them.
    """
    environment = settings_of(
        mongodb_uri=mongodb_uri, database=database, ollama_port=ollama_port, directory=directory, redis_url=redis_url
    )
    environment |= more or {}
    migrate(environment, directory)
    with (
        server("eloquent", environment, directory, command) as started,
        (through or nullcontext)(started) as reached,
    ):
        yield EloquentSide(reached, mongodb_uri, users, database=database)
