"""One thing on, beside the same server with it off: two processes of the product do the comparison's measures in turns.

The one that is not asked stands still. Only the server's CPU counts, all of it from waking to standing still: what it
does afterwards, and the warm-up.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from tests.bench.comparison import Scale, measures
from tests.bench.cpu import cpu_s
from tests.bench.eloquent_side import EloquentSide, eloquent_side
from tests.bench.findings import Finding, Target, median
from tests.bench.rounds import Meter
from tests.bench.rows.scale import RowScale
from tests.bench.servers import awake, paused
from tests.bench.stage import Stage, say

OFF: Final = "off"
ON: Final = "on"
LOWEST = "The lowest of the rounds are compared: what else a machine does makes a request dearer, and never cheaper."


@contextmanager
def running_side(stage: Stage, scale: RowScale, row: str, name: str, **how: Any) -> Iterator[EloquentSide]:
    """The product with a room and a database of its own. `how` is what `eloquent_side` takes beyond that."""
    room = stage.directory / f"{row}-{name}"
    room.mkdir()
    with eloquent_side(
        stage.mongod.address, stage.upstream.port, room, scale.sides_users, database=f"bench_{row}_{name}", **how
    ) as side:
        yield side


def compare(
    finding: Finding,
    stage: Stage,
    scale: RowScale,
    sides: Mapping[str, EloquentSide],
    *,
    what: str,
    target: float,
    settle_s: float = 0,
) -> None:
    """Measure both sides, OFF and ON, and tell what ON costs.

    Args:
        finding: gets the table, the numbers and the targets.
        stage: for the clock of its mongod.
        scale: how much is done.
        sides: both, running.
        what: is off, or on; for the words.
        target: times the CPU of OFF.
        settle_s: how long a window goes on after its last answer, for what is sent later and belongs to it.
    """
    meter = Meter(stage.mongod.pid)
    rows = measures(Scale(scale.sides_users, burst=scale.sides_burst, lists=scale.sides_lists))
    costs: dict[tuple[str, str], list[float]] = {(row.title, name): [] for row in rows for name in sides}
    with ExitStack() as stack:
        for side in sides.values():
            stack.enter_context(paused(side.pid))
        for number in range(scale.sides_rounds):
            for row in rows:
                # Who goes first takes turns, too.
                for name in (OFF, ON) if number % 2 else (ON, OFF):
                    side = sides[name]
                    with awake(side.pid):
                        plan, before_s = row.plan(side), cpu_s(side.pid)
                        window = meter.window(plan, side.pid, side.not_saved)
                        time.sleep(settle_s)
                    cost_ms = (cpu_s(side.pid) - before_s) * 1000 / plan.measured
                    costs[row.title, name].append(cost_ms)
                    finding.errors += window.errors
                    say(f"{finding.name}: round {number + 1}, {name}, {row.title}: {cost_ms:.2f} ms")
    _tell(finding, [row.title for row in rows], costs, what, target)


def _tell(
    finding: Finding, titles: list[str], costs: dict[tuple[str, str], list[float]], what: str, target: float
) -> None:
    lines = [
        ["CPU of the server a request", "off, lowest", "on, lowest", "on to off", "medians", "rounds (lowest-highest)"]
    ]
    for title in titles:
        off, on = costs[title, OFF], costs[title, ON]
        ratios = [ours / base for ours, base in zip(on, off, strict=True)]
        ratio = min(on) / min(off)
        spread = f"{median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        medians = f"{median(off):.3f}, {median(on):.3f} ms"
        lines.append([title, f"{min(off):.3f} ms", f"{min(on):.3f} ms", f"{ratio:.3f}", medians, spread])
        finding.numbers[title] = {"off_ms": off, "on_ms": on, "ratios": ratios, "ratio": ratio}
        finding.targets.append(Target(f"{title}: times its CPU with {what} off", ratio, target, ""))
    finding.tables = [lines]
    worst = max(target.value for target in finding.targets)
    finding.sentence = f"With {what} a request costs at most {worst:.2f} times the CPU"
