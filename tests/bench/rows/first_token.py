"""Row: what the product adds to the language model's own time to the first token, with many streams at once.

Two ways of being at once. *Streaming*: everybody has an answer on the way all the time, and questions come evenly, as
from people; the target is for this one. *One instant*: everybody asks in the same moment; the last in the queue waits
for the work of all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.charts import Bars, Series
from tests.bench.crowds import Asked, CrowdPlan, CrowdReader, CrowdResult, all_errors, crowd
from tests.bench.findings import Finding, Target, median, percentiles, shown
from tests.bench.peer_side import question_to_peer, running_peer
from tests.bench.plans import source_of
from tests.bench.rows.scale import RowScale
from tests.bench.stage import Stage, say

NAME = "first-token"
TARGET_P50_MS, TARGET_P99_MS = 5.0, 30.0
PATIENCE_S = 90.0
WAYS = ("streaming", "one instant")

_Ask = Callable[[int], Asked]


@dataclass(slots=True)
class _Times:
    """Question to first token in milliseconds, in both ways of being at once."""

    by_way: dict[str, list[float]]
    results: list[CrowdResult]

    def added(self, way: str, alone_ms: float) -> list[float]:
        """p50 and p99 of what each question took longer than the model alone takes as a rule."""
        return [max(0.0, value - alone_ms) for value in percentiles(self.by_way[way], 0.5, 0.99)]


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Measure the product, the FastAPI peer and the language model alone."""
    finding = Finding(NAME, f"Time to first token, {scale.users} streams at once")
    with stage.product("first-token") as started:
        users = stage.users(started.port, scale.users)
        fresh = [stage.conversations(user, started.port, scale.talk_answers + 1) for user in users]
        ours = _measured(
            stage,
            scale,
            ("eloquent-sse", started.port),
            lambda number: stage.asked_of_product(users[number], fresh[number].pop(), scale.talk),
        )
        finding.errors += all_errors(ours.results) + stage.not_saved()
    with running_peer(stage.mongod.address, stage.upstream.port, stage.directory) as peer:

        def asked_of_peer(_number: int) -> Asked:
            direct = stage.asked_of_upstream(scale.talk)
            request = question_to_peer(peer.port, scale.talk.model, direct.answer, direct.stream)
            return Asked(request, direct.answer, direct.stream, direct.tokens)

        peers = _measured(stage, scale, ("peer-sse", peer.port), asked_of_peer)
    alone = _measured(stage, scale, ("ollama", stage.upstream.port), lambda _: stage.asked_of_upstream(scale.talk))
    finding.errors += all_errors([*peers.results, *alone.results])
    stage.log()
    _tell(finding, scale, ours, peers, alone)
    return finding


def _measured(stage: Stage, scale: RowScale, where: tuple[str, int], asked: _Ask) -> _Times:
    say(f"{NAME}: {where[0]}")
    between_s = (scale.talk.lasts_s + 0.05) / scale.users
    streaming = _went(stage, scale, where, asked, between_s, scale.talk_answers)
    instant = _went(stage, scale, where, asked, 0.0, 1)
    # A user's first answer is asked for while the others are only beginning.
    later = [o for number, o in enumerate(streaming.outcomes) if number % scale.talk_answers and not o.error]
    times = [[outcome.first_token_s * 1000 for outcome in outcomes] for outcomes in (later, instant.right)]
    return _Times(dict(zip(WAYS, times, strict=True)), [streaming, instant])


def _went(
    stage: Stage, scale: RowScale, where: tuple[str, int], asked: _Ask, between_s: float, each: int
) -> CrowdResult:
    readers = [
        CrowdReader(source_of(number), number * between_s, [asked(number) for _ in range(each)])
        for number in range(scale.users)
    ]
    with crowd(CrowdPlan(*where, readers, PATIENCE_S), stage.directory) as people:
        people.go()
        return people.result()


def _tell(finding: Finding, scale: RowScale, ours: _Times, peers: _Times, alone: _Times) -> None:
    sides = {"Eloquent": ours, "FastAPI peer": peers, "the model alone": alone}
    lines = [["question to first token", "", "p50", "p99", "added p50", "added p99"]]
    bars: dict[str, list[float | None]] = {"Eloquent": [], "FastAPI peer": []}
    for way in WAYS:
        alone_ms = median(alone.by_way[way])
        for name, times in sides.items():
            p50, p99 = percentiles(times.by_way[way], 0.5, 0.99)
            added = times.added(way, alone_ms)
            cells = [shown(value, "ms") for value in (p50, p99)]
            cells += ["", ""] if name == "the model alone" else [shown(value, "ms") for value in added]
            lines.append([way, name, *cells])
            numbers = {"p50_ms": p50, "p99_ms": p99, "added_p50_ms": added[0], "added_p99_ms": added[1]}
            finding.numbers.setdefault(way, {})[name] = numbers | {"questions": len(times.by_way[way])}
            if name in bars:
                bars[name] += added
    finding.tables = [lines]
    p50, p99 = ours.added(WAYS[0], median(alone.by_way[WAYS[0]]))
    finding.targets = [
        Target(f"added to the first token, p50, {scale.users} streaming", p50, TARGET_P50_MS, "ms"),
        Target(f"added to the first token, p99, {scale.users} streaming", p99, TARGET_P99_MS, "ms"),
    ]
    theirs = peers.added(WAYS[0], median(alone.by_way[WAYS[0]]))
    finding.sentence = (
        f"With {scale.users} people streaming, a first token comes {shown(p50)} ms later than from the model alone "
        f"(p99 {shown(p99)} ms; FastAPI peer {shown(theirs[0])} and {shown(theirs[1])} ms)"
    )
    finding.notes = [
        (
            f"Streaming (the targets' way): {scale.users} users, each with an answer on the way at "
            f"{scale.talk.tokens_per_s:g} tokens a second; when one ends, the user asks the next; questions come "
            f"evenly, one in {(scale.talk.lasts_s + 0.05) / scale.users * 1000:.0f} ms. Each user's first "
            "question is not counted."
        ),
        "One instant: all of them ask in the same moment, so the last waits for the work of all before him.",
        (
            "The product signs the user in, reads the history, and writes question, answer and run before it asks the "
            "model; the peer does none of this before. Added is what a question took beyond the "
            "median of the model alone."
        ),
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            f"time added to the language model's own, {scale.users} users; dashed: targets",
            "milliseconds",
            [f"{way}, {share}" for way in WAYS for share in ("p50", "p99")],
            [Series(name, values) for name, values in bars.items()],
            [TARGET_P50_MS, TARGET_P99_MS, None, None],
        )
    ]
