"""Row: streams at once in one process, 10 tokens a second each: none lost, every text saved, how late tokens come.

Every token's time is known on both sides: when the language model wrote it and when its reader had it. Two delays are
told. *On the way*: from the one to the other. *Between tokens*: how much longer the reader waited since the token
before than the model did; negative ones (a token that caught up) are counted as they are. The target holds the larger
of the two against its bound.

When the targets' number cannot be carried here, smaller ones are tried, and the figures of the largest that can are
given beside those that could not.
"""

import os
from dataclasses import dataclass, field

from tests.bench.charts import Lines, Series
from tests.bench.crowds import Asked, CrowdPlan, CrowdReader, CrowdResult, crowd, steady_begin
from tests.bench.descriptors import allow_many
from tests.bench.findings import Finding, Target, percentiles, shown
from tests.bench.plans import source_of
from tests.bench.processes import Memory, Shares, memory_of, sleep_until
from tests.bench.rows.scale import RowScale
from tests.bench.servers import Server, warnings_in
from tests.bench.stage import Stage, StreamLog, say
from tests.bench.steady import Pace

NAME = "streams"
TARGET_MS = 150.0
# Fewer than a user may have at once, so that no refusal is the bench's own doing.
STREAMS_OF_A_USER = 12
SHARES = (0.5, 0.9, 0.99, 0.999)
PATIENCE_S = 40.0
# Two, because each takes a minute and a half.
STEPS = (1.0, 0.5)
FULL_CORE = 0.95
PROCESSES = ("server", "mongod", "upstream", "clients")


@dataclass(slots=True)
class _Go:
    """So many streams once."""

    streams: int
    result: CrowdResult
    shares: dict[str, float] = field(default_factory=dict)
    others: float = 0.0
    idle: Memory | None = None
    full: Memory | None = None
    on_the_way_ms: list[float] = field(default_factory=list)
    between_ms: list[float] = field(default_factory=list)
    at_once: int = 0
    errors: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def worst_p99_ms(self) -> float:
        """What the target is held against."""
        return max(percentiles(self.on_the_way_ms, 0.99) + percentiles(self.between_ms, 0.99))

    @property
    def carried(self) -> bool:
        """Whether nothing was lost and the delay is within its bound."""
        return not self.errors and self.worst_p99_ms <= TARGET_MS

    def limit(self) -> str:
        """What was used up."""
        full = [name for name in ("server", "clients", "upstream") if self.shares.get(name, 0.0) >= FULL_CORE]
        if full:
            return f"one core each for {', '.join(full)} (a Python process uses one)"
        cores = os.cpu_count() or 1
        total = sum(self.shares.values()) + self.others
        if total >= cores * FULL_CORE:
            return f"the machine: {total:.2f} of {cores} cores"
        return f"no core was full ({total:.2f} of {cores} were used)"

    def bytes_each(self, kind: str) -> float:
        """Memory that the server grew by, for each stream."""
        assert self.idle is not None
        assert self.full is not None
        return float(getattr(self.full, kind) - getattr(self.idle, kind)) / self.streams


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Try the target's number, then smaller ones until one is carried; and the upstream alone."""
    allow_many()  # children inherit it: two files a stream in the server
    finding = Finding(
        NAME, f"{scale.streams:,} streams at once in one process, {scale.long.tokens_per_s:g} tokens/s each"
    )
    alone = _alone(stage, scale)
    goes: list[_Go] = []
    for step in STEPS:
        streams = max(int(scale.streams * step), scale.fewest_streams)
        # A process of its own each time: what the one before it left behind is not this one's memory.
        with stage.product(f"streams-{streams}") as started:
            goes.append(_go(stage, scale, started, streams))
        say(f"{NAME}: {streams} streams: {goes[-1].worst_p99_ms:.0f} ms, {goes[-1].limit()}; {goes[-1].errors[:5]}")
        if goes[-1].carried or streams == scale.fewest_streams:
            break
    _tell(finding, scale, goes, alone)
    return finding


def _alone(stage: Stage, scale: RowScale) -> _Go:
    """The bench's own two ends without a server between them: the delay that is theirs."""
    pace, within_s = scale.without_server, scale.without_server_within_s
    asked = [stage.asked_of_upstream(pace) for _ in range(scale.streams)]
    return _streamed(stage, ("ollama", stage.upstream.port), asked, pace, within_s, {})


def _go(stage: Stage, scale: RowScale, started: Server, streams: int) -> _Go:
    users = stage.users(started.port, -(-streams // STREAMS_OF_A_USER))
    asked: list[Asked] = []
    for number, user in enumerate(users):
        count = min(STREAMS_OF_A_USER, streams - number * STREAMS_OF_A_USER)
        fresh = stage.conversations(user, started.port, count)
        asked += [stage.asked_of_product(user, conversation, scale.long) for conversation in fresh]
    pids = {"server": started.pid, "mongod": stage.mongod.pid}
    go = _streamed(stage, ("eloquent-sse", started.port), asked, scale.long, scale.begin_within_s, pids)
    # An answer that did not come is not saved either, and is one answer that is wrong.
    not_saved = stage.not_saved()
    go.errors += not_saved[len(go.errors) :]
    if go.errors:
        go.log = warnings_in(started.log)
    return go


def _streamed(
    stage: Stage, where: tuple[str, int], asked: list[Asked], pace: Pace, within_s: float, pids: dict[str, int]
) -> _Go:
    """All begin within the first seconds; the figures are of the time when all are streaming."""
    readers = [
        CrowdReader(source_of(number % 1000), steady_begin(number, len(asked), within_s), [one])
        for number, one in enumerate(asked)
    ]
    plan = CrowdPlan(*where, readers, within_s + pace.lasts_s + PATIENCE_S, look_every_s=0.001)
    with crowd(plan, stage.directory) as people:
        shares = Shares(pids | {"upstream": stage.upstream.pid, "clients": people.pid})
        idle = memory_of(pids["server"]) if pids else None
        people.go()
        begins, ends = (people.started_at + after_s for after_s in (within_s, pace.lasts_s))
        sleep_until(begins)
        shares.begin()
        sleep_until(ends - 0.2)
        used = shares.end()
        full = memory_of(pids["server"]) if pids else None
        result = people.result()
    go = _Go(len(asked), result, used, shares.others, idle, full, errors=result.errors)
    _add_delays(go, stage.log(), begins, ends)
    return go


def _add_delays(go: _Go, log: StreamLog, begins: float, ends: float) -> None:
    """The delays of tokens that the model wrote while all were streaming."""
    for outcome in go.result.right:
        sent = log.sent.get(outcome.stream, [])
        go.at_once += bool(sent) and sent[0] <= begins and sent[-1] >= ends - 1.0
        before: float | None = None
        for written, arrived in zip(sent, outcome.arrivals, strict=False):
            delay = (arrived - written) * 1000
            if begins <= written <= ends:
                go.on_the_way_ms.append(delay)
                if before is not None:
                    go.between_ms.append(delay - before)
            before = delay


def _tell(finding: Finding, scale: RowScale, goes: list[_Go], alone: _Go) -> None:
    asked_for, best = goes[0], goes[-1]
    finding.errors = [*alone.errors, *best.errors]
    heads = ["streams", "all at once", "lost or wrong", "on the way p50", "p99", "p99.9", "added between tokens p99"]
    delays = [heads]
    costs = [["streams", "server", "mongod", "upstream", "clients", "others", "memory a stream (PSS)", "limit"]]
    for name, go in [*((f"{go.streams:,}", go) for go in goes), (f"{alone.streams:,}, no server between", alone)]:
        p50, _, p99, p999 = percentiles(go.on_the_way_ms, *SHARES)
        between = percentiles(go.between_ms, 0.99)[0]
        figures = [shown(value, "ms") for value in (p50, p99, p999, between)]
        delays.append([name, f"{go.at_once:,}", str(len(go.errors)), *figures])
        kib = "" if go.idle is None else shown(go.bytes_each("pss") / 1024, "KiB")
        used = [
            f"{go.shares[one]:.2f} cores" if one in go.shares else ""
            for one in ("server", "mongod", "upstream", "clients")
        ]
        costs.append([name, *used, f"{go.others:.2f} cores", kib, "" if go.idle is None else go.limit()])
        finding.numbers[name] = {
            "streams": go.streams,
            "streaming_all_the_time": go.at_once,
            "wrong": len(go.errors),
            "tokens_counted": len(go.on_the_way_ms),
            "on_the_way_ms": dict(zip(map(str, SHARES), percentiles(go.on_the_way_ms, *SHARES), strict=True)),
            "between_tokens_ms": dict(zip(map(str, SHARES), percentiles(go.between_ms, *SHARES), strict=True)),
            "cores": go.shares | {"others": go.others},
            "memory_bytes_each": {}
            if go.idle is None
            else {kind: go.bytes_each(kind) for kind in ("rss", "pss", "uss")},
        }
    finding.tables = [delays, costs]
    finding.targets = [
        Target(
            f"delay of tokens, p99, {asked_for.streams:,} streams at once",
            asked_for.worst_p99_ms,
            TARGET_MS,
            "ms",
            words="" if not asked_for.errors else f"MISSED: {len(asked_for.errors)} lost or wrong",
        ),
        Target(
            "streams at once within that delay",
            best.streams if best.carried else 0,
            scale.streams,
            "",
            more_is_better=True,
        ),
    ]
    carried = f"carries {best.streams:,} streams" if best.carried else f"does not carry {best.streams:,} streams"
    finding.sentence = (
        f"One process {carried} of {scale.long.tokens_per_s:g} tokens a second: p99 of a token's delay is "
        f"{shown(best.worst_p99_ms)} ms, {len(best.errors)} answers were lost or wrong"
    )
    if asked_for is not best:
        finding.sentence += (
            f"; {asked_for.streams:,} are {shown(asked_for.worst_p99_ms)} ms late at {asked_for.limit()}"
        )
    _explain(finding, scale, goes, alone)


def _explain(finding: Finding, scale: RowScale, goes: list[_Go], alone: _Go) -> None:
    finding.notes = [
        (
            f"Answers of {scale.long.tokens:,} tokens over SSE begin evenly within {scale.begin_within_s:g} s; counted "
            "are the tokens written from then on until the first answer ends, when all are streaming."
        ),
        "Every text is compared, and so is what MongoDB has of it at the end.",
        (
            "The verdict is for the larger of two 99th percentiles: a token's delay on its way, and what the "
            "wait since the token before it grew by."
        ),
        (
            "Memory is the server's growth from idle to all streaming, for each stream; the kernel's socket "
            "buffers are not in it."
        ),
    ]
    for go in goes:
        if go.errors:
            said = "; ".join([*go.errors[:2], *go.log[:3]])
            finding.notes.append(f"Of {go.streams:,} streams {len(go.errors)} went wrong, for example: {said}")
    places = (0.5, 0.9, 0.99, 0.999)
    named = [(f"{go.streams:,} streams", go) for go in (goes if len(goes) < 3 else (goes[0], goes[-1]))]
    named.append((f"{alone.streams:,}, no server between", alone))
    finding.charts = [
        Lines(
            NAME,
            finding.sentence,
            "a token's time from the language model to its reader, while all are streaming",
            "share of tokens that took no longer",
            "milliseconds",
            [
                Series(name, points=list(zip(range(len(places)), percentiles(go.on_the_way_ms, *places), strict=True)))
                for name, go in named
            ],
            [(index, name) for index, name in enumerate(("50 %", "90 %", "99 %", "99.9 %"))],
            target=TARGET_MS,
            target_words=f"target for 99 %: {TARGET_MS:g} ms",
        )
    ]
