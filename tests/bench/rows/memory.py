"""Row: what a running answer, and each of its readers, cost the server in memory.

Runs are begun and read by nobody, and the process's growth is looked at in the middle of them and when they are over.
Then many readers come to a few runs: what the process grows by from before they join is theirs.
"""

import time
from dataclasses import dataclass

from tests.bench.charts import Bars, Series
from tests.bench.crowds import Asked, CrowdPlan, CrowdReader, crowd
from tests.bench.descriptors import allow_many
from tests.bench.findings import Finding, shown
from tests.bench.processes import Memory, memory_of, sleep_until
from tests.bench.product import SignedIn
from tests.bench.rows.scale import RowScale
from tests.bench.servers import Server
from tests.bench.stage import Stage, say

NAME = "memory"
# A user may have 16 at once.
RUNS_OF_A_USER = 12
READ_RUNS = 4
PATIENCE_S = 30.0
SETTLES_S = 2.0
KINDS = ("pss", "uss", "rss")


@dataclass(frozen=True, slots=True)
class _Growth:
    """The server's memory before, with so many of something, and (for runs) when they were over for a while."""

    before: Memory
    open: Memory
    count: int
    after: Memory | None = None

    def kb_each(self, kind: str, *, after: bool = False) -> float:
        """Thousands of bytes for each of them."""
        then = self.after if after and self.after is not None else self.open
        grown: int = getattr(then, kind) - getattr(self.before, kind)
        return grown / self.count / 1000


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Runs without readers, then readers."""
    allow_many()
    finding = Finding(NAME, "Memory of runs and readers")
    growths: list[_Growth] = []
    wrong: list[str] = []
    # A process of its own for each: what the one gave back, the other would take without growing.
    for name, of_many in (("runs", _runs), ("readers", _readers)):
        say(f"{NAME}: {name}")
        with stage.product(f"memory-{name}", with_redis=True) as server:
            users = stage.users(server.port, max(2, -(-scale.memory_runs // RUNS_OF_A_USER)))
            # What is made once, with the first run and reader, is not theirs.
            wrong += _readers(stage, scale, users, server, count=2)[1]
            count = getattr(scale, f"memory_{name}")
            growth, faults = of_many(stage, scale, users, server, count=count)
            growths.append(growth)
            wrong += faults
    runs, readers = growths
    finding.errors += wrong + stage.not_saved()
    stage.log()
    _tell(finding, scale, runs, readers)
    return finding


def _runs(
    stage: Stage, scale: RowScale, users: list[SignedIn], server: Server, *, count: int
) -> tuple[_Growth, list[str]]:
    before = memory_of(server.pid)
    for number in range(count):
        stage.begun(users[number % len(users)], server.port, scale.lasting)
    last_at = time.perf_counter()
    sleep_until(last_at + scale.lasting.lasts_s / 2)
    at_work = memory_of(server.pid)
    sleep_until(last_at + scale.lasting.lasts_s + SETTLES_S)
    return _Growth(before, at_work, count, memory_of(server.pid)), []


def _readers(
    stage: Stage, scale: RowScale, users: list[SignedIn], server: Server, *, count: int
) -> tuple[_Growth, list[str]]:
    runs: list[tuple[SignedIn, Asked]] = []
    for number in range(READ_RUNS):
        user = users[number % len(users)]
        run_id, asked = stage.begun(user, server.port, scale.lasting)
        runs.append((user, Asked(user.stream_request(run_id), asked.answer, asked.stream, asked.tokens)))
    people = [CrowdReader(user.source, 0.0, [asked]) for user, asked in (runs * -(-count // READ_RUNS))[:count]]
    before = memory_of(server.pid)
    with crowd(CrowdPlan("eloquent-sse", server.port, people, PATIENCE_S), stage.directory) as joined:
        joined.go()
        sleep_until(time.perf_counter() + scale.lasting.lasts_s / 2)
        reading = memory_of(server.pid)
        result = joined.result()
    return _Growth(before, reading, count), result.errors


def _tell(finding: Finding, scale: RowScale, runs: _Growth, readers: _Growth) -> None:
    growths = {"run": runs, "reader": readers}
    finding.numbers = {
        name: {"count": growth.count} | {f"{kind}_kb_each": growth.kb_each(kind) for kind in KINDS}
        for name, growth in growths.items()
    }
    finding.numbers["run"]["after_pss_kb_each"] = runs.kb_each("pss", after=True)
    tokens = scale.lasting.tokens // 2
    finding.sentence = (
        f"A running answer takes {shown(runs.kb_each('pss'))} KB of the server's memory, each of its readers over SSE "
        f"{shown(readers.kb_each('pss'))} KB"
    )
    finding.tables = [
        [
            ["memory of one (PSS)", "at work", "when they were over", "of so many"],
            [
                f"run, {tokens} tokens of its answer written",
                shown(runs.kb_each("pss"), "KB"),
                shown(runs.kb_each("pss", after=True), "KB"),
                f"{runs.count:,}",
            ],
            ["reader over SSE", shown(readers.kb_each("pss"), "KB"), "", f"{readers.count:,}"],
        ]
    ]
    finding.notes = [
        (
            f"Answers of {scale.lasting.tokens} tokens, {scale.lasting.tokens_per_s:g} a second. A run has its log, "
            "its prompt and a connection to the language model; a reader has a connection and a position, and no "
            "queue. The sockets' buffers in the kernel are not in it."
        ),
        f"When the runs were over for {SETTLES_S:g} s, their logs were still kept here for the first ten.",
        (
            "Bounds: a log is trimmed above 4 MiB or 20,000 chunks, the readers of another process's run share a "
            "window of 256 KiB, and one who takes nothing for 30 s is cut off."
        ),
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            "growth of the server's PSS for each",
            "thousand bytes",
            ["run", "reader"],
            [Series("at work", [runs.kb_each("pss"), readers.kb_each("pss")])],
            [],
        )
    ]
