"""Row: search in one's own messages among 1,000,000 against few. Left out where the route is not there."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from bson import ObjectId

from tests.bench.charts import Bars, Series
from tests.bench.findings import Finding, percentiles, shown
from tests.bench.latency import Connection
from tests.bench.plans import http_request
from tests.bench.product import SignedIn
from tests.bench.rows.filling import fill
from tests.bench.rows.scale import RowScale
from tests.bench.stage import Stage, say

NAME = "search"
DATABASE = "bench_search"
OF_A_STRANGER = 200
OF_FEW = 1_000
IN_A_CONVERSATION = 50
WORDS_EACH = 16
VOCABULARY = 20_000
RARE_EVERY = 500
FEWEST_RARE = 8
TIMES = 60
WARM_UP = 5


@dataclass(slots=True)
class _Search:
    """One kind of search, of one user."""

    who: str
    kind: str
    words: str
    took_ms: list[float] = field(default_factory=list)
    hits: int = 0


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Fill, search, tell."""
    finding = Finding(NAME, f"Search in one's messages, among {scale.messages:,}")
    with stage.product("search", database=DATABASE) as started:
        few, many = (stage.new_user(started.port) for _ in range(2))
        status = Connection(started.port, "127.0.0.1").ask(_request(few, "hello")).status
        if status == HTTPStatus.NOT_FOUND:
            finding.skipped = "the server has no search"
            return finding
        database = stage.client[DATABASE]
        owned = {"few": min(OF_FEW, scale.messages // 4), "very many": scale.messages // 2}
        took_s = _fill(stage, scale, database, started.port, [few, many], list(owned.values()))
        say(f"{NAME}: {scale.messages:,} documents in {took_s:.0f} s")
        # Not the one from before: the server closes what is idle for as long as that took.
        connection = Connection(started.port, "127.0.0.1")
        searches = [
            _Search(who, kind, words)
            for who in owned
            for kind, words in (
                ("a rare word", "zebrafish"),
                ("a common word", _word(0)),
                ("a rare and a common word", f"zebrafish {_word(0)}"),
            )
        ]
        for number in range(-WARM_UP, TIMES):
            for search in searches:
                user = few if search.who == "few" else many
                reply = connection.ask(_request(user, search.words))
                if number >= 0:
                    search.took_ms.append(reply.took_ms)
                finding.errors += _wrong(search, reply.status, reply.body, database, user, first=number == -WARM_UP)
    stage.client.drop_database(DATABASE)
    _tell(finding, scale, searches, owned, took_s)
    return finding


def _request(user: SignedIn, words: str) -> bytes:
    return http_request("GET", f"/api/v1/search?q={quote(words)}", user.port, headers=user.signed).encode()


def _rare_every(scale: RowScale) -> int:
    """One message in so many has the rare word."""
    return min(RARE_EVERY, scale.messages // FEWEST_RARE)


def _word(number: int) -> str:
    """A made-up word; small numbers are common ones."""
    syllables = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu")
    return "w" + "".join(syllables[int(digit)] for digit in f"{number:05d}")


def _fill(stage: Stage, scale: RowScale, database: Any, port: int, users: list[SignedIn], counts: list[int]) -> float:
    """The messages: some of these users', the rest strangers'. Words are as uneven as in a language."""
    user = users[0]
    conversation = user.post("/api/v1/conversations", {"title": "Why the sky is blue at noon"})["id"]
    asked = {"parts": [{"type": "text", "text": "why"}], "model": "bench-whole:latest"}
    user.post(f"/api/v1/conversations/{conversation}/runs", asked, stream=True)
    templates = {name: database[name].find_one({"user_id": user.id}) for name in ("conversations", "messages")}
    for name in ("conversations", "messages", "runs"):
        database[name].delete_many({})
    owners = [owner.id for owner, count in zip(users, counts, strict=True) for _ in range(count)]
    rest = scale.messages - len(owners)
    strangers = [ObjectId() for _ in range(-(-rest // OF_A_STRANGER))]
    owners += [strangers[number // OF_A_STRANGER] for number in range(rest)]
    conversations: list[ObjectId] = []
    owners_of_conversations = owners[::IN_A_CONVERSATION]
    conversations = [ObjectId() for _ in owners_of_conversations]
    dice = random.Random(7)
    words = [_word(number) for number in range(VOCABULARY)]
    # Zipf's law, near enough: the logarithm of a word's number is even.
    texts = [
        " ".join(words[int(VOCABULARY ** dice.random()) - 1] for _ in range(WORDS_EACH)) for _ in range(VOCABULARY)
    ]
    now = datetime.now(UTC)
    rare_every = _rare_every(scale)

    def message(number: int) -> dict[str, Any]:
        text = texts[number * 7919 % len(texts)] + (" zebrafish" if number % rare_every == 0 else "")
        return templates["messages"] | {
            "_id": ObjectId(),
            "user_id": owners[number],
            "conversation_id": conversations[number // IN_A_CONVERSATION],
            "parts": [{"type": "text", "text": text}],
            "text": text,
            "created_at": now - timedelta(seconds=number),
        }

    def conversation_of(number: int) -> dict[str, Any]:
        own = {"_id": conversations[number], "user_id": owners_of_conversations[number]}
        return templates["conversations"] | own

    return fill(database.conversations, conversation_of, len(conversations)) + fill(
        database.messages, message, len(owners)
    )


def _wrong(search: _Search, status: int, body: bytes, database: Any, user: SignedIn, *, first: bool) -> list[str]:
    """A sentence when it was refused, found nothing, or found what is not the user's or has not the words."""
    said = f"{search.kind} of {search.who}"
    if status != HTTPStatus.OK:
        return [f"{said}: status {status}: {body[:200]!r}"]
    items = orjson.loads(body)["items"]
    search.hits = len(items)
    if not items:
        return [f"{said}: nothing was found"]
    if not first:
        return []
    ids = [ObjectId(item["message_id"]) for item in items]
    found = list(database.messages.find({"_id": {"$in": ids}, "user_id": user.id}))
    right = len(found) == len(items) and all(all(w in one["text"] for w in search.words.split()) for one in found)
    return [] if right else [f"{said}: hits that are not the user's, or without the words"]


def _tell(finding: Finding, scale: RowScale, searches: list[_Search], owned: dict[str, int], took_s: float) -> None:
    lines = [["search of", "for", "p50", "p95", "p99", "hits on the page"]]
    for search in searches:
        figures = percentiles(search.took_ms, 0.5, 0.95, 0.99)
        who = f"one with {owned[search.who]:,} messages"
        lines.append([who, search.kind, *(shown(value, "ms") for value in figures), str(search.hits)])
        named = dict(zip(("p50_ms", "p95_ms", "p99_ms"), figures, strict=True))
        finding.numbers.setdefault(search.who, {})[search.kind] = named | {"searches": len(search.took_ms)}
    finding.numbers |= {"messages": scale.messages, "owned": owned, "filling_s": took_s}
    finding.tables = [lines]
    slowest = max(searches, key=lambda search: percentiles(search.took_ms, 0.95)[0])
    slowest_ms = percentiles(slowest.took_ms, 0.95)[0]
    finding.sentence = (
        f"Among {scale.messages:,} messages the slowest kind of search takes {shown(slowest_ms)} ms (p95): "
        f"{slowest.kind}, by one who owns {owned[slowest.who]:,}"
    )
    finding.notes = [
        (
            f"{scale.messages:,} messages of {WORDS_EACH} words from {VOCABULARY:,}, common and rare as in a "
            f"language; one in {_rare_every(scale)} has the rare word. One search at a time, kinds in turns. Hits are "
            "compared with the database."
        ),
        f"Filling took {took_s:.0f} s, with the indexes.",
    ]
    kinds = list(dict.fromkeys(search.kind for search in searches))
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            "95th percentile of one page of hits",
            "milliseconds",
            kinds,
            [
                Series(
                    f"one with {count:,} messages",
                    [percentiles(s.took_ms, 0.95)[0] for s in searches if s.who == who],
                )
                for who, count in owned.items()
            ],
        )
    ]
