"""Measures the search over a million messages: `python -m tests.bench.searching [--messages N]`.

Its own mongod in a directory that is gone afterwards. One user has a fifth of all messages, one a hundredth, the rest
belongs to others; words follow Zipf's law, so that "common" and "rare" mean what they mean in a language.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from bson import ObjectId

from eloquent.embedded.mongod import Mongod

VOCABULARY = 50_000
A_BATCH = 1_000
PAGE = 20
ANSWERS = 3_000


def word(rank: int) -> str:
    """The made-up word of this rank: common ones are short."""
    letters, rank = "", rank + 1
    while rank:
        letters += "etaoinshrdlcumwfgypbvk"[rank % 22]
        rank //= 22
    return letters if len(letters) > 2 else f"{letters}x"


class Writer:
    """Writes messages of made-up words."""

    def __init__(self) -> None:
        self._chance = random.Random(7)
        self._words = [word(rank) for rank in range(VOCABULARY)]
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))

    def message(self, user: ObjectId, conversation: ObjectId, role: str) -> dict[str, Any]:
        """A question of 5 to 25 words or an answer of 40 to 140."""
        length = self._chance.randint(*((5, 25) if role == "user" else (40, 140)))
        text = " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=length))
        return {
            "_id": ObjectId(),
            "conversation_id": conversation,
            "user_id": user,
            "parent_id": None,
            "role": role,
            "parts": [{"type": "text", "text": text}],
            "text": text,
            "grams": "",
            "status": "complete",
            "created_at": datetime.now(UTC),
        }


def batches(writer: Writer, users: list[ObjectId]) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """For each of the users a conversation and a thousand messages in it."""
    for user in users:
        talk = {"_id": ObjectId(), "user_id": user, "title": "Talk", "archived": False}
        roles = itertools.islice(itertools.cycle(("user", "assistant")), A_BATCH)
        yield [talk], [writer.message(user, talk["_id"], role) for role in roles]


def questions() -> Iterator[tuple[str, list[str]]]:
    """Kinds of queries."""
    chance = random.Random(3)
    yield "the commonest word", [word(rank) for rank in range(10)]
    yield "a common word", [word(rank) for rank in range(100, 200, 5)]
    yield "a rare word", [word(rank) for rank in range(20_000, 40_000, 500)]
    yield "two of the commonest", [f"{word(rank)} {word(rank + 1)}" for rank in range(10)]
    yield (
        "common and rare",
        [f"{word(chance.randrange(20))} {word(chance.randrange(10_000, 40_000))}" for _ in range(20)],
    )
    yield "three words", [" ".join(word(chance.randrange(20, 300)) for _ in range(3)) for _ in range(20)]
    yield "a phrase", [f'"{word(chance.randrange(9))} {word(chance.randrange(9))}"' for _ in range(10)]
    yield "a word of nobody", [f"zzqq{number}" for number in range(20)]


async def measure(users: dict[str, ObjectId]) -> None:
    """Print a row for each user and kind of query."""
    from chat.search.finding import messages_like
    from eloquent.foundation.database import close_database

    print("| own messages | query | p50 ms | p95 ms | hits on the page | more than ranked |\n|---|---|---|---|---|---|")
    for (name, user), (kind, queries) in itertools.product(users.items(), questions()):
        took, hits, truncated = [], 0, 0
        for query in queries * 3:
            started = time.perf_counter()
            found = await messages_like(user, query, conversation_id=None, role=None, cursor=None, limit=PAGE)
            took.append(1000 * (time.perf_counter() - started))
            hits += len(found.items)
            truncated += found.truncated
        p95 = statistics.quantiles(took, n=20)[-1]
        shown = f"{hits / len(took):.0f} | {truncated} of {len(took)}"
        print(f"| {name} | {kind} | {statistics.median(took):.1f} | {p95:.1f} | {shown} |", flush=True)
    await close_database()


def measure_writing(database: Any, writer: Writer, pid: int) -> None:
    """Print what an answer's save costs mongod without and with the text index."""
    for name in ("messages_plain", "messages"):
        answers = [writer.message(ObjectId(), ObjectId(), "assistant") for _ in range(ANSWERS)]
        texts = [{"text": answer.pop("text"), "parts": answer.pop("parts")} for answer in answers]
        database[name].insert_many([{**answer, "text": "", "parts": []} for answer in answers])
        before = sum(psutil.Process(pid).cpu_times()[:2])
        for answer, text in zip(answers, texts, strict=True):
            database[name].update_one({"_id": answer["_id"]}, {"$set": text})
        cpu = sum(psutil.Process(pid).cpu_times()[:2]) - before
        print(f"{name}: {1000 * cpu / ANSWERS:.3f} ms of mongod's CPU to save an answer of 90 words", flush=True)


def main() -> None:
    """Fill, index, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    total = parser.parse_args().messages // A_BATCH
    with tempfile.TemporaryDirectory(prefix="eloquent-bench-") as directory:
        server = Mongod(Path(directory) / "mongod", cache_gb=1.0)
        server.start()
        try:
            os.environ |= {
                "ELOQUENT_ENV": "test",
                "ELOQUENT_STATE_DIR": directory,
                "MONGODB_URI": server.address,
                "MONGODB_NAME": "bench",
                "DJANGO_SETTINGS_MODULE": "eloquent.settings",
            }
            import django
            from django.core.management import call_command
            from django.db import connection

            django.setup()
            call_command("migrate", verbosity=0)
            database: Any = connection.database
            users = {f"{total // 5 * A_BATCH:,}": ObjectId(), f"{max(1, total // 100) * A_BATCH:,}": ObjectId()}
            heavy, usual = users.values()
            owners = [heavy] * (total // 5) + [usual] * max(1, total // 100)
            owners += [ObjectId() for _ in range(total - len(owners))]
            writer, started = Writer(), time.perf_counter()
            # One index made at the end takes a tenth of the time of a million additions to it.
            from chat.models import Message

            text_index = next(index for index in Message._meta.indexes if index.name == "message_search")
            with connection.schema_editor() as editor:
                editor.remove_index(Message, text_index)
            for conversations, messages in batches(writer, owners):
                database["conversations"].insert_many(conversations)
                database["messages"].insert_many(messages, ordered=False)
            with connection.schema_editor() as editor:
                editor.add_index(Message, text_index)
            size = database.command("collstats", "messages")["indexSizes"]["message_search"]
            print(f"{total * A_BATCH:,} messages in {time.perf_counter() - started:.0f} s, index {size / 1e6:.0f} MB")
            asyncio.run(measure(users))
            measure_writing(database, writer, server.pid)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
