"""Row: the list of conversations among 1,000,000 against 1,000, and of one user who owns very many.

Two databases with a process each: one holds the few conversations of some users; the other holds as many for as many
users, and strangers' conversations and one hoarder's beside them. The kinds of requests take turns, so that whatever
else the machine does meets all of them alike. One request at a time: what counts is how long, not how many.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from bson import ObjectId

from eloquent.foundation import cursors
from tests.bench.charts import Bars, Series
from tests.bench.findings import Finding, Target, median, percentiles, shown
from tests.bench.latency import Connection, Question
from tests.bench.plans import http_request
from tests.bench.product import SignedIn
from tests.bench.rows.filling import fill
from tests.bench.rows.scale import RowScale
from tests.bench.servers import Server
from tests.bench.stage import Stage, say

NAME = "lists"
TARGET_RATIO = 1.3
FEW, MANY = "bench_few", "bench_many"
PAGE = 30
OF_A_STRANGER = 100
WARM_UP = 30
SORT = [("pinned", -1), ("updated_at", -1), ("_id", -1)]


@dataclass(slots=True)
class _Kind:
    """What is asked, the kind that it is compared with, and the times of its rounds in milliseconds."""

    name: str
    question: Question
    base: "_Kind | None" = None
    rounds: list[list[float]] = field(default_factory=list)

    def p95(self) -> list[float]:
        """One for each round."""
        return [percentiles(times, 0.95)[0] for times in self.rounds]


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Fill, ask, compare."""
    finding = Finding(NAME, f"List of conversations, {scale.conversations:,} against {scale.few_conversations:,}")
    each = scale.few_conversations // scale.list_users
    with (
        stage.product("lists-few", database=FEW) as few_server,
        stage.product("lists-many", database=MANY) as many_server,
    ):
        few, many = (stage.client[name] for name in (FEW, MANY))
        few_users = [stage.new_user(few_server.port) for _ in range(scale.list_users)]
        many_users = [stage.new_user(many_server.port) for _ in range(scale.list_users)]
        hoarder = stage.new_user(many_server.port)
        template = _template(few, few_users[0])
        for database, users in ((few, few_users), (many, many_users)):
            _fill_for(database, template, [user.id for user in users for _ in range(each)])
        rest = scale.conversations - each * len(many_users)
        strangers = [ObjectId() for _ in range(rest // 2 // OF_A_STRANGER)]
        owners = [hoarder.id] * (rest - len(strangers) * OF_A_STRANGER) + strangers * OF_A_STRANGER
        took_s = _fill_for(many, template, owners)
        say(f"{NAME}: {len(owners):,} documents in {took_s:.0f} s")
        users_few = _kind(f"{scale.list_users} users, among few", few, few_server, few_users)
        # Asked for again and again, one user's data is warmer than many users': like is compared with like.
        one_few = _kind("one user, among few", few, few_server, few_users[:1])
        kinds = [
            users_few,
            _kind(f"{scale.list_users} users, among very many", many, many_server, many_users, base=users_few),
            one_few,
            _kind("one user who owns very many", many, many_server, [hoarder], base=one_few),
            _kind(
                "one user who owns very many, far down",
                many,
                many_server,
                [hoarder],
                skip=owners.count(hoarder.id) // 2,
                base=one_few,
            ),
        ]
        for _ in range(scale.list_rounds):
            finding.errors += _round(kinds, scale.list_requests)
        counts = {"few": few.conversations.count_documents({}), "many": many.conversations.count_documents({})}
        counts["hoarder"] = many.conversations.count_documents({"user_id": hoarder.id})
    stage.client.drop_database(MANY)
    stage.client.drop_database(FEW)
    _tell(finding, scale, kinds, counts, took_s)
    return finding


def _template(database: Any, user: SignedIn) -> dict[str, Any]:
    """A conversation as the product writes it; it is gone from the database."""
    made = user.post("/api/v1/conversations", {"title": "Why the sky is blue at noon"})
    found: dict[str, Any] = database.conversations.find_one_and_delete({"_id": ObjectId(made["id"])})
    return found


def _fill_for(database: Any, template: dict[str, Any], owners: list[ObjectId]) -> float:
    """A conversation for each owner named; their times are spread over a year, and mixed. Gives the seconds it took."""
    now = datetime.now(UTC)

    def make(number: int) -> dict[str, Any]:
        # A number without a common divisor with the count of minutes in a year mixes them and repeats none early.
        at = now - timedelta(minutes=number * 7919 % 525_600, milliseconds=number % 1000)
        return template | {"_id": ObjectId(), "user_id": owners[number], "created_at": at, "updated_at": at}

    return fill(database.conversations, make, len(owners))


def _kind(
    name: str, database: Any, server: Server, users: list[SignedIn], *, skip: int = 0, base: _Kind | None = None
) -> _Kind:
    """The users' requests and the ids that each must bring; `skip` goes on behind so many of the list."""
    requests = []
    for user in users:
        mine = {"user_id": user.id, "archived": False}
        path = "/api/v1/conversations"
        if skip:
            last = database.conversations.find(mine, sort=SORT).skip(skip - 1).limit(1)[0]
            position = [last["pinned"], int(last["updated_at"].timestamp() * 1000), str(last["_id"])]
            path += f"?cursor={cursors.encode(position)}"
        expected = [str(one["_id"]) for one in database.conversations.find(mine, sort=SORT).skip(skip).limit(PAGE)]
        requests.append((http_request("GET", path, server.port, headers=user.signed).encode(), expected))
    return _Kind(name, Question(name, Connection(server.port, users[0].source), requests), base)


def _round(kinds: list[_Kind], count: int) -> list[str]:
    """Each kind so many times, in turns; a sentence for each wrong answer."""
    wrong = []
    for kind in kinds:
        kind.rounds.append([])
    for number in range(-WARM_UP, count):
        for kind in kinds:
            request, expected = kind.question.requests[number % len(kind.question.requests)]
            reply = kind.question.connection.ask(request)
            if number >= 0:
                kind.rounds[-1].append(reply.took_ms)
            if reply.status != 200 or [item["id"] for item in orjson.loads(reply.body)["items"]] != expected:
                wrong.append(f"{kind.name}: status {reply.status}, or not the ids that were expected")
    return wrong


def _tell(finding: Finding, scale: RowScale, kinds: list[_Kind], counts: dict[str, int], took_s: float) -> None:
    lines = [["list of 30", "p50", "p95", "p99", "p95 to that among few (lowest-highest)"]]
    p95, ratios = {}, {}
    for kind in kinds:
        every = [value for times in kind.rounds for value in times]
        figures = percentiles(every, 0.5, 0.95, 0.99)
        p95[kind.name] = figures[1]
        by_round, spread = [], ""
        if kind.base is not None:
            by_round = [ours / base for ours, base in zip(kind.p95(), kind.base.p95(), strict=True)]
            ratios[kind.name] = median(by_round)
            spread = f"{median(by_round):.2f} ({min(by_round):.2f}-{max(by_round):.2f})"
        lines.append([kind.name, *(shown(value, "ms") for value in figures), spread])
        named = dict(zip(("p50_ms", "p95_ms", "p99_ms"), figures, strict=True))
        finding.numbers[kind.name] = named | {"requests": len(every), "p95_ratios": by_round}
    finding.numbers |= {"documents": counts, "filling_s": took_s}
    finding.tables = [lines]
    finding.targets = [
        Target(f"list of conversations, p95, {name}: times that among few", ratio, TARGET_RATIO, "")
        for name, ratio in ratios.items()
    ]
    among, own, _ = ratios.values()
    finding.sentence = (
        f"Among {counts['many']:,} conversations a list takes {among:.2f} times as long as among "
        f"{counts['few']:,}, and {own:.2f} times when {counts['hoarder']:,} of them are one's own (p95)"
    )
    finding.notes = [
        (
            f"{scale.list_users} users own {scale.few_conversations // scale.list_users} each, in a database with "
            f"nothing else, and in one with {counts['many']:,} conversations in all: {counts['hoarder']:,} are "
            f"one user's, the rest strangers', {OF_A_STRANGER} each. Far down is the page in the middle of that "
            "one user's list."
        ),
        (
            f"One request at a time, kinds in turns, {scale.list_rounds} rounds of {scale.list_requests}; the "
            "ratio is the median of the rounds' ratios of 95th percentiles. Every list's ids are compared."
        ),
        (
            f"Filling took {took_s:.0f} s for {counts['many']:,} documents, copies of one that the product wrote, with "
            "their indexes. mongod's cache is 1 GB."
        ),
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            f"95th percentile of a list of 30; dashed: {TARGET_RATIO} times the one that it is compared with",
            "milliseconds",
            [kind.name for kind in kinds],
            [Series("p95", list(p95.values()))],
            [None if kind.base is None else p95[kind.base.name] * TARGET_RATIO for kind in kinds],
        )
    ]
