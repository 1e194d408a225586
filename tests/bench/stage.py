"""Where the further measures play: a mongod, a Valkey and the language model, and processes of the product as asked."""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from eloquent.embedded.mongod import Mongod
from eloquent.embedded.valkey import Valkey
from tests.bench.answers import ANSWERS, question
from tests.bench.crowds import Asked
from tests.bench.plans import http_request
from tests.bench.product import HISTORY_TURNS, SignedIn, copies, migrate, not_saved, server, settings_of
from tests.bench.servers import PROJECT, Server, running
from tests.bench.steady import Pace

DATABASE = "bench_rows"
USERS_ARE_FRESH_S = 300.0


@dataclass(frozen=True, slots=True)
class StreamLog:
    """When the language model was asked, wrote each token, and saw the connection closed, by the stream's number."""

    asked: dict[int, float]
    sent: dict[int, list[float]]
    closed: dict[int, float]


class Stage:
    """The servers that all further measures share. Ended by `close`."""

    def __init__(self, directory: Path, paces: list[Pace]) -> None:
        self.directory = directory
        self._stack = ExitStack()
        self.mongod = self._stack.enter_context(Mongod(directory / "mongod", cache_gb=1.0))
        self.client: MongoClient[Any] = self._stack.enter_context(MongoClient(self.mongod.address, tz_aware=True))
        self.database: Any = self.client[DATABASE]
        arguments = ["-m", "tests.bench.upstream"]
        for pace in paces:
            arguments += ["--steady", pace.model]
        self.environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        self.upstream = self._stack.enter_context(running("upstream", arguments, self.environment, directory))
        self._valkey: Valkey | None = None
        self._migrated: set[str] = set()
        self._users: list[SignedIn] = []
        self._users_made_at = 0.0
        self._user_number = 0
        self._template: tuple[ObjectId, ObjectId] | None = None
        self._stream = 0
        self._given: dict[ObjectId, tuple[int, int]] = {}

    def close(self) -> None:
        """End all servers."""
        self._stack.close()

    @property
    def valkey(self) -> Valkey:
        """Started when it is first asked for."""
        if self._valkey is None:
            self._valkey = self._stack.enter_context(Valkey(self.directory / "valkey"))
        return self._valkey

    @contextmanager
    def product(self, name: str, *, with_redis: bool = False, database: str = DATABASE) -> Iterator[Server]:
        """A process of the product.

        Raises:
            StartError: it would not start.
        """
        environment = settings_of(
            mongodb_uri=self.mongod.address,
            database=database,
            ollama_port=self.upstream.port,
            directory=self.directory,
            redis_url=self.valkey.address if with_redis else "",
        )
        if database not in self._migrated:
            migrate(environment, self.directory)
            self._migrated.add(database)
        with server(name, environment, self.directory) as started:
            yield started

    def users(self, port: int, count: int) -> list[SignedIn]:
        """So many signed-in users, good for any process on the shared database.

        Raises:
            RefusedError: the product would not register them.
        """
        # An access token lives for 15 minutes, and the bench as long.
        if time.monotonic() - self._users_made_at > USERS_ARE_FRESH_S:
            self._users, self._users_made_at = [], time.monotonic()
        while len(self._users) < count:
            self._users.append(self.new_user(port))
        for user in self._users:
            user.port = port
        return self._users[:count]

    def new_user(self, port: int) -> SignedIn:
        """One more user, with nothing of his own."""
        self._user_number += 1
        return SignedIn(port, self._user_number)

    def conversations(self, user: SignedIn, port: int, count: int) -> list[ObjectId]:
        """New conversations of the user, each with earlier turns."""
        if self._template is None:
            first = self.new_user(port)
            self._template = first.conversation_of(HISTORY_TURNS), first.id
        return copies(self.database, self._template[0], user.id, count)

    def next_stream(self) -> int:
        """A number for a stream that no other has."""
        self._stream += 1
        return self._stream

    def asked_of_product(self, user: SignedIn, conversation: ObjectId, pace: Pace) -> Asked:
        """A question in a fresh conversation, whose answer must be saved."""
        stream = self.next_stream()
        answer = stream % ANSWERS
        self._given[conversation] = (answer, pace.tokens)
        request = user.run_request(conversation, pace.model, question(answer, stream=stream))
        return Asked(request, answer, stream, pace.tokens)

    def begun(self, user: SignedIn, port: int, pace: Pace) -> tuple[str, Asked]:
        """A run at work that nobody reads yet: its id, and what was asked."""
        conversation = self.conversations(user, port, 1)[0]
        asked = self.asked_of_product(user, conversation, pace)
        body: dict[str, Any] = {
            "parts": [{"type": "text", "text": question(asked.answer, stream=asked.stream)}],
            "model": f"{pace.model}:latest",
        }
        return user.post(f"/api/v1/conversations/{conversation}/runs", body)["id"], asked

    def asked_of_upstream(self, pace: Pace) -> Asked:
        """The same question put to the language model itself."""
        stream = self.next_stream()
        answer = stream % ANSWERS
        body = {"model": pace.model, "messages": [{"role": "user", "content": question(answer, stream=stream)}]}
        return Asked(http_request("POST", "/api/chat", self.upstream.port, body=body), answer, stream, pace.tokens)

    def not_saved(self) -> list[str]:
        """What is wrong in the database with the answers asked for since the last call."""
        given, self._given = self._given, {}
        return not_saved(self.database, given)

    def forget_given(self) -> None:
        """The answers asked for since the last call are not meant to become whole."""
        self._given = {}

    def log(self) -> StreamLog:
        """What the language model wrote down since the last call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream.port, timeout=60)
        try:
            connection.request("GET", "/bench/log")
            said = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return StreamLog(
            *({int(key): value for key, value in said[name].items()} for name in ("asked", "sent", "closed"))
        )


def say(text: str) -> None:
    """A line for whoever waits, beside the output."""
    print(text, file=sys.stderr, flush=True)
