"""Fills a development database with made-up people and conversations: `manage.py seed_demo --messages 200000`."""

import secrets
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils import timezone
from pymongo.collection import Collection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eloquent.demo import EMAIL_DOMAIN, Demo, Document
from eloquent.foundation.config import get_config

ROWS_A_WRITE = 2_000
SESSIONS_A_USER = 2


class Command(BaseCommand):
    """Adds to what is there; run twice, there is twice as much."""

    help = "Adds made-up users, conversations and messages (for development; refused in staging and production)."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many are added of each; 0 for none."""
        parser.add_argument("--users", type=_count, default=20, help="how many users to add (20)")
        parser.add_argument("--conversations", type=_count, default=100, help="how many conversations to add (100)")
        parser.add_argument(
            "--messages", type=_count, default=1_000, help="how many messages to add, half of them answers (1000)"
        )

    def handle(self, *_args: Any, users: int, conversations: int, messages: int, **_options: Any) -> None:
        """Conversations go to made-up people alone, and to those of earlier times. Refused where rules are strict."""
        if get_config().strict:
            raise CommandError("Made-up people do not belong into staging or production.")
        if messages and not conversations:
            raise CommandError("Messages need conversations: give --conversations too.")
        started = time.monotonic()
        self._demo = Demo(timezone.now(), seed=secrets.randbits(64))
        self._added = dict.fromkeys(("users", "sessions", "conversations", "messages", "runs"), 0)
        columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self.stdout)) as self._progress:  # type: ignore[arg-type]
            self._add_users(users)
            owners = self._owners()
            if conversations and not owners:
                raise CommandError("Conversations need users: give --users too.")
            self._add_talks(owners, conversations, exchanges=messages // 2)
        said = ", ".join(f"{count} {name}" for name, count in self._added.items())
        self.stdout.write(f"Added {said} in {time.monotonic() - started:.1f} s.")

    def _owners(self) -> list[Any]:
        """The made-up users, this time's and earlier ones': real people get no made-up conversations."""
        made_up = {"email": {"$regex": f"@{EMAIL_DOMAIN}$"}}
        return [user["_id"] for user in _collection("users").find(made_up, {"_id": 1})]

    def _add_users(self, count: int) -> None:
        bar = self._progress.add_task("Users", total=count)
        made = self._demo.users(_collection("users").estimated_document_count() + 1, count)
        while users := list(islice(made, ROWS_A_WRITE)):
            self._write("users", users)
            self._write("sessions", [self._demo.session(user["_id"]) for user in users for _ in range(SESSIONS_A_USER)])
            self._progress.advance(bar, len(users))

    def _add_talks(self, owners: list[Any], count: int, exchanges: int) -> None:
        conversations_bar = self._progress.add_task("Conversations", total=count)
        messages_bar = self._progress.add_task("Messages", total=2 * exchanges)
        waiting: dict[str, list[Document]] = {"conversations": [], "messages": [], "runs": []}
        for number, share in enumerate(self._demo.shares(exchanges, count) if count else ()):
            talk = self._demo.talk(owners[number % len(owners)], share)
            waiting["conversations"].append(talk.conversation)
            waiting["messages"] += talk.messages
            waiting["runs"] += talk.runs
            if len(waiting["messages"]) >= ROWS_A_WRITE or len(waiting["conversations"]) >= ROWS_A_WRITE:
                self._write_all(waiting, conversations_bar, messages_bar)
        self._write_all(waiting, conversations_bar, messages_bar)

    def _write_all(self, waiting: dict[str, list[Document]], conversations_bar: Any, messages_bar: Any) -> None:
        self._progress.advance(conversations_bar, len(waiting["conversations"]))
        self._progress.advance(messages_bar, len(waiting["messages"]))
        # Conversations last: until then nothing of theirs can be reached.
        for name in ("messages", "runs", "conversations"):
            self._write(name, waiting[name])
            waiting[name] = []

    def _write(self, name: str, documents: Iterable[Document]) -> None:
        if documents:
            written = _collection(name).insert_many(documents, ordered=False)
            self._added[name] += len(written.inserted_ids)


def _collection(name: str) -> Collection[Document]:
    connection: Any = connections["default"]
    collection: Collection[Document] = connection.database[name]
    return collection


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
