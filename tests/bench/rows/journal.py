"""Row: what an answer costs when its log is in Redis too, beside the log in memory alone."""

from contextlib import ExitStack

from tests.bench import report
from tests.bench.charts import Bars, Series
from tests.bench.eloquent_side import EloquentSide, eloquent_side
from tests.bench.findings import Finding, median, shown
from tests.bench.plans import Load
from tests.bench.rounds import Measure, Meter, Row
from tests.bench.rows.scale import RowScale
from tests.bench.servers import awake, paused
from tests.bench.stage import Stage, say

NAME = "redis-journal"
MEMORY, REDIS = "in memory", "in Redis"
PACED_TOKENS_PER_S = 50.0
IDLE_S = 1.0


def measure(stage: Stage, scale: RowScale) -> Finding:
    """The same answers with either journal, in rounds that alternate."""
    finding = Finding(NAME, "The journal in Redis against the one in memory")
    users = scale.journal_users
    paced = Load(1, stagger_s=(1 + 1 / users) / PACED_TOKENS_PER_S)
    rows = [
        Row(Measure(title, lambda side, m=model, k=load: side.answers("http", m, k)), {MEMORY: [], REDIS: []})
        for title, model, load in (
            ("answer as SSE, burst", "bench-burst", Load(scale.journal_burst)),
            ("answer as SSE, paced", "bench-paced", paced),
        )
    ]
    meter = Meter(stage.mongod.pid, stage.valkey.pid)
    meter.learn_idle(IDLE_S)
    with ExitStack() as stack:
        sides: dict[str, EloquentSide] = {}
        for name, url in ((MEMORY, ""), (REDIS, stage.valkey.address)):
            database = f"bench_journal_{'redis' if url else 'memory'}"
            made = eloquent_side(
                stage.mongod.address, stage.upstream.port, stage.directory, users, redis_url=url, database=database
            )
            sides[name] = stack.enter_context(made)
        for side in sides.values():
            stack.enter_context(paused(side.pid))
        for number in range(scale.journal_rounds):
            for row in rows:
                for name, side in sides.items():
                    with awake(side.pid):
                        window = meter.window(row.measure.plan(side), side.pid, side.not_saved)
                    row.windows[name].append(window)
                    say(f"{NAME}: round {number + 1}, {name}, {row.measure.title}: {window.cpu_ms:.2f} ms")
    finding.errors = [error for row in rows for error in report.errors_of(row)]
    _tell(finding, scale, rows)
    return finding


def _tell(finding: Finding, scale: RowScale, rows: list[Row]) -> None:
    lines = [["CPU for one answer", "journal", "server", "mongod", "Valkey", "together"]]
    ratios = {}
    for row in rows:
        for name in row.windows:
            parts = [
                row.median(name, lambda w: w.server_ms),
                row.median(name, lambda w: w.mongod_ms),
                row.median(name, lambda w: w.redis_ms),
                row.median(name, lambda w: w.cpu_ms),
            ]
            lines.append([row.measure.title, name, *(shown(value, "ms") for value in parts)])
            named = dict(zip(("server_ms", "mongod_ms", "redis_ms", "cpu_ms"), parts, strict=True))
            finding.numbers.setdefault(row.measure.title, {})[name] = named
        ratios[row.measure.title] = median(row.ratios(REDIS, MEMORY))
        finding.numbers[row.measure.title]["ratio"] = ratios[row.measure.title]
    finding.tables = [lines]
    burst, paced = ratios.values()
    finding.sentence = (
        f"With its log in Redis an answer costs {burst:.2f} times the CPU in a burst and {paced:.2f} times when paced"
    )
    finding.notes = [
        (
            f"One process, {scale.journal_users} users, answers of 200 tokens, {scale.journal_rounds} rounds that "
            f"alternate; paced is {PACED_TOKENS_PER_S:g} tokens a second. Valkey appends to its file, fsync every "
            "second. The ratio is the median of the rounds' ratios of server, mongod and Valkey together."
        ),
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            "server, mongod and Valkey together",
            "ms of CPU for one answer",
            [row.measure.title for row in rows],
            [Series(name, [row.median(name, lambda w: w.cpu_ms) for row in rows]) for name in (MEMORY, REDIS)],
        )
    ]
