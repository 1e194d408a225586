"""The bench's words: a table whose verdicts are never prettier than the figures."""

import importlib.metadata
import math
import os
import platform
import statistics
from pathlib import Path

from tests.bench.rounds import Row, Window

LIBRARIES = ("Django", "django-ninja", "fastapi", "starlette", "uvicorn", "uvloop", "httpx", "httpx-aiohttp", "pymongo")
FEWEST_ROUNDS_TO_JUDGE = 3
ERRORS_SHOWN = 10


def machine(mongod_version: str) -> str:
    """What the figures were made on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, load before: {load}\n"
        f"Python {platform.python_version()}, mongod {mongod_version}, {versions}"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def whole(rows: list[Row], sides: tuple[str, ...], alone: Window, facts: str) -> str:
    """Costs and verdicts, first tokens, what went wrong, the machine. `sides` is one name, or ours and the peer's."""
    parts = [table(rows, sides), first_tokens(rows, sides, alone), _limit(alone)]
    errors = [error for row in rows for error in errors_of(row)] + alone.errors
    if errors:
        parts.append("\n".join([f"{len(errors)} answers were wrong:", *errors[:ERRORS_SHOWN]]))
    return "\n\n".join([*parts, facts])


def table(rows: list[Row], sides: tuple[str, ...]) -> str:
    """A line for each measure: each side's medians; for two sides the ratio of the rounds' pairs, target, verdict."""
    heads = ["CPU for one request", *(f"{side}: server + mongod" for side in sides)]
    if len(sides) == 2:
        heads += ["ratio (lowest-highest)", "target", "verdict"]
    return _aligned([heads, *(_row(row, sides) for row in rows)])


def _row(row: Row, sides: tuple[str, ...]) -> list[str]:
    cells = [row.measure.title, *(_cost(row, side) for side in sides)]
    if errors := errors_of(row):
        return [*cells, "-", _target(row), f"{len(errors)} WRONG"]
    if len(sides) == 1:
        return cells
    ratios = row.ratios(*sides)
    # Rounded to the side that flatters less.
    rounded = [(math.floor if row.measure.by_rate else math.ceil)(ratio * 100) / 100 for ratio in ratios]
    spread = f"{statistics.median(rounded):.2f} ({min(rounded):.2f}-{max(rounded):.2f})"
    return [*cells, spread, _target(row), verdict(ratios, row.measure.target, more_is_better=row.measure.by_rate)]


def _limit(alone: Window) -> str:
    return (
        f"the upstream alone, read by the client: {alone.server_ms:.2f} ms of its CPU for a burst answer, "
        f"{alone.rate:,.0f} answers/s: no relay can be faster here"
    )


def _cost(row: Row, side: str) -> str:
    server, mongod = (row.median(side, figure) for figure in (lambda w: w.server_ms, lambda w: w.mongod_ms))
    rate = f", {row.median(side, lambda w: w.rate):,.0f}/s" if row.measure.by_rate else ""
    return f"{server:.2f} + {mongod:.2f} ms{rate}"


def _target(row: Row) -> str:
    if row.measure.target is None:
        return ""
    return f"{'>=' if row.measure.by_rate else '<='} {row.measure.target:.2f}"


def verdict(ratios: list[float], target: float | None, *, more_is_better: bool) -> str:
    """Met when the median of the rounds meets the target; it says so when some rounds do not, or are too few."""
    if target is None:
        return ""
    meets = [ratio >= target if more_is_better else ratio <= target for ratio in ratios]
    median = statistics.median(ratios)
    if not (median >= target if more_is_better else median <= target):
        return "MISSED"
    if len(ratios) < FEWEST_ROUNDS_TO_JUDGE:
        return f"met, but {len(ratios)} round{'s' * (len(ratios) > 1)} cannot tell"
    return "met" if all(meets) else f"met in {sum(meets)} of {len(meets)} rounds"


def errors_of(row: Row) -> list[str]:
    """All that went wrong in a measure, a sentence each; as long as the number of wrong answers."""
    errors = []
    for side, windows in row.windows.items():
        for window in windows:
            told = [f"{side}, {row.measure.title}: {error}" for error in window.errors]
            errors += told + [f"{side}, {row.measure.title}: one more"] * (window.wrong - len(told))
    return errors


def first_tokens(rows: list[Row], sides: tuple[str, ...], alone: Window) -> str:
    """How long the first token took from the question, and in how many pieces the text came."""
    answers = [row for row in rows if not row.measure.by_rate]
    lines = [["text chunks an answer came in", *sides, "upstream alone"]]
    for row in answers:
        pieces = [f"{row.median(side, lambda w: w.pieces):.0f}" for side in sides]
        lines.append([row.measure.title, *pieces, f"{alone.pieces:.0f}"])
    lines.append(["question to first token", *sides, "upstream alone"])
    for row in answers:
        # In a burst a first token waits for other users' whole answers: that says how fast, not how soon.
        if "paced" in row.measure.title:
            times = [_percentiles([ms for w in row.windows[side] for ms in w.first_token_ms]) for side in sides]
            lines.append([row.measure.title, *times, _percentiles(alone.first_token_ms)])
    return _aligned(lines)


def _percentiles(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "-"
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.99) - 1)]
    return f"p50 {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms"


def _aligned(lines: list[list[str]]) -> str:
    widths: dict[int, int] = {}
    for line in lines:
        for column, cell in enumerate(line):
            widths[column] = max(widths.get(column, 0), len(cell))
    return "\n".join("  ".join(cell.ljust(widths[at]) for at, cell in enumerate(line)).rstrip() for line in lines)
