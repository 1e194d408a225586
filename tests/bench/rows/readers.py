"""Row: tokens relayed for a CPU-second as more people read the same run, here and at another process."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.bench.charts import Lines, Series
from tests.bench.crowds import Asked, CrowdPlan, CrowdReader, crowd
from tests.bench.findings import Finding, shown
from tests.bench.processes import Shares, sleep_until
from tests.bench.product import SignedIn
from tests.bench.rows.scale import RowScale
from tests.bench.servers import Server
from tests.bench.stage import Stage, say

NAME = "readers"
PATIENCE_S = 20.0
# Readers who join read what was before; that is over soon, and not what is measured.
CAUGHT_UP_S = 0.2
SHORTEST_S = 0.25
SAME, ANOTHER = "same process, journal in memory", "another process, journal in Redis"


@dataclass(slots=True)
class _Point:
    """So many readers of one run: what they got in a time, and what that took."""

    readers: int
    tokens: int
    server_s: float
    others_s: float
    window_s: float

    @property
    def tokens_per_cpu_s(self) -> float:
        """Of the product's processes together."""
        return self.tokens / self.server_s if self.server_s else 0.0


def measure(stage: Stage, scale: RowScale) -> Finding:
    """One run at a time, with more and more readers."""
    finding = Finding(NAME, "Readers of one run")
    points: dict[str, list[_Point]] = {SAME: [], ANOTHER: []}
    for way, way_points in points.items():
        with _processes(stage, way) as (first, last):
            user = stage.users(first.port, 1)[0]
            for readers in scale.readers:
                point, wrong = _read(stage, scale, user, first, last, readers)
                way_points.append(point)
                finding.errors += [f"{way}, {readers} readers: {sentence}" for sentence in wrong]
        say(f"{NAME}: {way}: {[round(point.tokens_per_cpu_s) for point in way_points]}")
    finding.errors += stage.not_saved()
    stage.log()
    _tell(finding, scale, points)
    return finding


@contextmanager
def _processes(stage: Stage, way: str) -> Iterator[tuple[Server, Server]]:
    """The process that makes the answer, and the one that it is read from."""
    with ExitStack() as stack:
        shared = way == ANOTHER
        first = stack.enter_context(stage.product("readers-1", with_redis=shared))
        yield first, stack.enter_context(stage.product("readers-2", with_redis=True)) if shared else first


def _read(
    stage: Stage, scale: RowScale, user: SignedIn, first: Server, last: Server, readers: int
) -> tuple[_Point, list[str]]:
    run_id, asked = stage.begun(user, first.port, scale.lively)
    ends = time.perf_counter() + scale.lively.lasts_s - 0.2
    request = Asked(user.stream_request(run_id), asked.answer, asked.stream, asked.tokens)
    plan = CrowdPlan(
        "eloquent-sse", last.port, [CrowdReader(user.source, 0.0, [request]) for _ in range(readers)], PATIENCE_S
    )
    servers = {str(pid): pid for pid in {first.pid, last.pid}}
    shares = Shares(servers | {"mongod": stage.mongod.pid, "valkey": stage.valkey.pid})
    with crowd(plan, stage.directory) as people:
        people.go()
        sleep_until(time.perf_counter() + CAUGHT_UP_S)
        begins = time.perf_counter()
        shares.begin()
        sleep_until(ends)
        shares.end()
        ended = time.perf_counter()
        result = people.result()
    tokens = sum(begins <= at < ended for outcome in result.right for at in outcome.arrivals)
    used = shares.used_s
    point = _Point(
        readers,
        tokens,
        sum(used[name] for name in servers),
        used["mongod"] + used["valkey"],
        ended - begins,
    )
    wrong = result.errors
    if point.window_s < SHORTEST_S or not tokens:
        wrong.append(f"the readers came too late: {point.window_s:.1f} s were left")
    return point, wrong


def _tell(finding: Finding, scale: RowScale, points: dict[str, list[_Point]]) -> None:
    finding.tables = [
        [["readers", *(f"{way}: tokens for a CPU-second" for way in points), "CPU of one reader's token"]]
    ]
    for index, readers in enumerate(scale.readers):
        of_each = [way_points[index] for way_points in points.values()]
        per_token = [point.server_s / point.tokens * 1e6 if point.tokens else float("nan") for point in of_each]
        finding.tables[0].append(
            [
                str(readers),
                *(shown(point.tokens_per_cpu_s) for point in of_each),
                " / ".join(shown(value, "µs") for value in per_token),
            ]
        )
    for way, way_points in points.items():
        finding.numbers[way] = [
            {
                "readers": point.readers,
                "tokens_per_cpu_s": point.tokens_per_cpu_s,
                "tokens": point.tokens,
                "servers_cpu_s": point.server_s,
                "mongod_and_valkey_cpu_s": point.others_s,
                "window_s": point.window_s,
            }
            for point in way_points
        ]
    fewest, most = points[SAME][0], points[SAME][-1]
    gain = most.tokens_per_cpu_s / fewest.tokens_per_cpu_s if fewest.tokens_per_cpu_s else float("nan")
    finding.sentence = (
        f"With {most.readers} readers of one run a CPU-second relays {shown(most.tokens_per_cpu_s)} tokens, "
        f"{gain:.1f} times as many as with {fewest.readers}; from another process "
        f"{shown(points[ANOTHER][-1].tokens_per_cpu_s)}"
    )
    finding.notes = [
        (
            f"One answer of {scale.lively.tokens_per_s:g} tokens a second, read over SSE by more and more people. "
            "Tokens that are ready together travel together, so several come in one event."
        ),
        (
            "The CPU is that of the product's processes, with the work of making the answer and of saving it; at "
            "another process, that of both. What mongod and Valkey use is in the numbers."
        ),
    ]
    finding.charts = [
        Lines(
            NAME,
            finding.sentence,
            "CPU of the product's processes, making the answer and saving it included",
            "readers of one run",
            "tokens relayed for a CPU-second",
            [
                Series(way, points=[(point.readers, point.tokens_per_cpu_s) for point in way_points])
                for way, way_points in points.items()
            ],
            [(readers, str(readers)) for readers in scale.readers],
            log_x=True,
        )
    ]
