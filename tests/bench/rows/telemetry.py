"""Row: what traces, metrics and reports cost the server, all of them on, beside the same server with all of them off.

Two processes of the product, each with a database of its own, do the comparison's measures in turns; the one that is
not asked stands still. A collector takes the traces, and reads them. Only the server's CPU counts, all of it from
waking to standing still: what it sends afterwards, and the warm-up.
"""

import time
from contextlib import ExitStack

from eloquent.foundation.telemetry.exporting import SENT_EVERY_MS
from tests.bench.comparison import Scale, measures
from tests.bench.cpu import cpu_s
from tests.bench.eloquent_side import EloquentSide, eloquent_side
from tests.bench.findings import Finding, Target, median
from tests.bench.rounds import Meter
from tests.bench.rows.scale import RowScale
from tests.bench.servers import awake, paused, running
from tests.bench.stage import Stage, say

NAME = "telemetry"
TARGET_RATIO = 1.10
SIDES = ("off", "on")


def measure(stage: Stage, scale: RowScale) -> Finding:
    """In turns, and compare."""
    finding = Finding(NAME, "What traces, metrics and reports cost, all on against all off")
    meter = Meter(stage.mongod.pid)
    with ExitStack() as stack:
        collector = stack.enter_context(
            running("collector", ["-m", "tests.fakes.collector"], stage.environment, stage.directory)
        )
        on = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "METRICS_FORMAT": "emf",
            "SENTRY_DSN": f"http://key@127.0.0.1:{collector.port}/1",
        }
        sides: dict[str, EloquentSide] = {}
        for name, more in (("off", {}), ("on", on)):
            room = stage.directory / f"telemetry-{name}"
            room.mkdir()
            started = eloquent_side(
                stage.mongod.address,
                stage.upstream.port,
                room,
                scale.telemetry_users,
                database=f"bench_telemetry_{name}",
                more=more,
            )
            sides[name] = stack.enter_context(started)
        for side in sides.values():
            stack.enter_context(paused(side.pid))
        rows = measures(Scale(scale.telemetry_users, burst=scale.telemetry_burst, lists=scale.telemetry_lists))
        costs: dict[tuple[str, str], list[float]] = {(row.title, name): [] for row in rows for name in sides}
        for number in range(scale.telemetry_rounds):
            for row in rows:
                # Who goes first takes turns, too.
                for name in SIDES if number % 2 else reversed(SIDES):
                    side = sides[name]
                    with awake(side.pid):
                        plan, before_s = row.plan(side), cpu_s(side.pid)
                        window = meter.window(plan, side.pid, side.not_saved)
                        # What a window leaves behind is sent after it, and belongs to it.
                        time.sleep(SENT_EVERY_MS / 1000 + 1)
                    cost_ms = (cpu_s(side.pid) - before_s) * 1000 / plan.measured
                    costs[row.title, name].append(cost_ms)
                    finding.errors += window.errors
                    say(f"{NAME}: round {number + 1}, {name}, {row.title}: {cost_ms:.2f} ms")
    _tell(finding, [row.title for row in rows], costs)
    return finding


def _tell(finding: Finding, titles: list[str], costs: dict[tuple[str, str], list[float]]) -> None:
    lines = [
        ["CPU of the server a request", "off, lowest", "on, lowest", "on to off", "medians", "rounds (lowest-highest)"]
    ]
    for title in titles:
        off, on = (costs[title, name] for name in SIDES)
        ratios = [ours / base for ours, base in zip(on, off, strict=True)]
        ratio = min(on) / min(off)
        spread = f"{median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        medians = f"{median(off):.3f}, {median(on):.3f} ms"
        lines.append([title, f"{min(off):.3f} ms", f"{min(on):.3f} ms", f"{ratio:.3f}", medians, spread])
        finding.numbers[title] = {"off_ms": off, "on_ms": on, "ratios": ratios, "ratio": ratio}
        finding.targets.append(Target(f"{title}: times its CPU with all off", ratio, TARGET_RATIO, ""))
    finding.tables = [lines]
    worst = max(target.value for target in finding.targets)
    finding.sentence = f"With traces, metrics and reports a request costs at most {worst:.2f} times the CPU"
    finding.notes = [
        "One answer in five is traced, and one in twenty of the lists: the settings that hold unless others are set.",
        "The lowest of the rounds are compared: what else a machine does makes a request dearer, and never cheaper.",
    ]
