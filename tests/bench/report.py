"""The bench's words: a table whose verdicts are never prettier than the figures."""

import importlib.metadata
import math
import os
import platform
import statistics
import subprocess
from pathlib import Path

import psutil

from eloquent.embedded.mongod import Mongod
from tests.bench.charts import Bars, Series
from tests.bench.findings import Finding, Target, shown
from tests.bench.rounds import Row, Window
from tests.bench.servers import PROJECT

LIBRARIES = ("Django", "django-ninja", "fastapi", "starlette", "uvicorn", "uvloop", "httpx", "httpx-aiohttp", "pymongo")
FEWEST_ROUNDS_TO_JUDGE = 3
ERRORS_SHOWN = 10


def machine() -> list[str]:
    """What the figures are made on, asked before they are."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    memory = psutil.virtual_memory().total / 2**30
    facts = [
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}",
        f"load of the machine before: {load} (1, 5, 15 minutes)",
        f"Python {platform.python_version()}, {_version_of_mongod()}, {versions}",
    ]
    return facts + ([f"commit {commit}"] if (commit := _commit()) else [])


def _version_of_mongod() -> str:
    program = Mongod(PROJECT).command(0)[0]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0].replace("db version v", "mongod ") if said else "mongod"


def _commit() -> str:
    """The commit that is checked out, and whether files differ from it; nothing without git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=, with changes"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return said.stdout.strip()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def whole(rows: list[Row], sides: tuple[str, ...], alone: Window) -> str:
    """Costs and verdicts, first tokens, what went wrong. `sides` is one name, or ours and the peer's."""
    parts = [table(rows, sides), first_tokens(rows, sides, alone), _limit(alone)]
    errors = [error for row in rows for error in errors_of(row)] + alone.errors
    if errors:
        parts.append("\n".join([f"{len(errors)} answers were wrong:", *errors[:ERRORS_SHOWN]]))
    return "\n\n".join(parts)


def told(finding: Finding) -> str:
    """A finding in a terminal."""
    parts = [f"\n=== {finding.title}"]
    if finding.skipped:
        return f"{parts[0]}\nnot measured: {finding.skipped}"
    if finding.errors:
        parts.append("\n".join([f"NOT VALID, {len(finding.errors)} went wrong:", *finding.errors[:ERRORS_SHOWN]]))
    parts += [_aligned(lines) for lines in finding.tables if lines]
    bounds = [
        [target.what, shown(target.value, target.unit), _bound(target), finding.verdict(target)]
        for target in finding.targets
    ]
    return "\n\n".join([*parts, _aligned(bounds)] if bounds else parts)


def _bound(target: Target) -> str:
    return f"{'>=' if target.more_is_better else '<='} {shown(target.bound, target.unit)}"


def finding(rows: list[Row], sides: tuple[str, ...], alone: Window) -> Finding:
    """The comparison as a finding."""
    found = Finding("comparison", "What an answer and a list cost, beside the same work by FastAPI")
    found.errors = [error for row in rows for error in errors_of(row)] + alone.errors
    found.tables = [_cells(rows, sides), *_first_token_cells(rows, sides, alone)]
    for row in rows:
        found.numbers[row.measure.title] = {
            side: {
                "server_ms": row.median(side, lambda w: w.server_ms),
                "mongod_ms": row.median(side, lambda w: w.mongod_ms),
                "requests_per_s": row.median(side, lambda w: w.rate),
                "text_chunks": row.median(side, lambda w: w.pieces),
            }
            for side in sides
        }
    found.sentence = f"The work of {sides[0]} alone"
    if len(sides) == 2:
        _compare(found, rows, sides)
    found.notes = [
        (
            "The product signs the user in, reads the history, writes question, answer and run and keeps a "
            "journal; the peer does one insert at the end and no sign-in."
        ),
        _limit(alone) + ".",
    ]
    return found


def _compare(found: Finding, rows: list[Row], sides: tuple[str, ...]) -> None:
    medians = {row.measure.title: statistics.median(row.ratios(*sides)) for row in rows}
    for row in rows:
        found.numbers[row.measure.title]["ratios"] = row.ratios(*sides)
        if row.measure.target is not None:
            words = verdict(row.ratios(*sides), row.measure.target, more_is_better=row.measure.by_rate)
            what = f"{row.measure.title}: {'requests a second' if row.measure.by_rate else 'CPU'}, to the peer's"
            value = medians[row.measure.title]
            found.targets.append(Target(what, value, row.measure.target, "", row.measure.by_rate, words))
    costs, rates = ([row for row in rows if row.measure.by_rate is by_rate] for by_rate in (False, True))
    low, high = (edge(medians[row.measure.title] for row in costs) for edge in (min, max))
    found.sentence = f"An answer costs {low:.2f} to {high:.2f} of the CPU that the FastAPI peer needs for it"
    slow, fast = (edge(medians[row.measure.title] for row in rates) for edge in (min, max))
    found.charts = [
        Bars(
            "comparison-answers",
            found.sentence,
            "CPU of server and mongod for one answer of 200 tokens; dashed: target",
            "ms of CPU for one answer",
            [row.measure.title for row in costs],
            [Series(side, [row.median(side, lambda w: w.cpu_ms) for row in costs]) for side in sides],
            [(row.measure.target or 0) * row.median(sides[1], lambda w: w.cpu_ms) for row in costs],
        ),
        Bars(
            "comparison-lists",
            f"Lists are answered {slow:.2f} to {fast:.2f} times as fast as by the FastAPI peer",
            "requests a second, 20 at once; dashed: target",
            "requests a second",
            [row.measure.title for row in rates],
            [Series(side, [row.median(side, lambda w: w.rate) for row in rates]) for side in sides],
            [(row.measure.target or 0) * row.median(sides[1], lambda w: w.rate) for row in rates],
        ),
    ]


def table(rows: list[Row], sides: tuple[str, ...]) -> str:
    """A line for each measure: each side's medians; for two sides the ratio of the rounds' pairs, target, verdict."""
    return _aligned(_cells(rows, sides))


def _cells(rows: list[Row], sides: tuple[str, ...]) -> list[list[str]]:
    heads = ["CPU for one request", *(f"{side}: server + mongod" for side in sides)]
    if len(sides) == 2:
        heads += ["ratio (lowest-highest)", "target", "verdict"]
    return [heads, *(_row(row, sides) for row in rows)]


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
    pieces, times = _first_token_cells(rows, sides, alone)
    return _aligned(pieces + times)


def _first_token_cells(rows: list[Row], sides: tuple[str, ...], alone: Window) -> list[list[list[str]]]:
    answers = [row for row in rows if not row.measure.by_rate]
    chunks = [["text chunks an answer came in", *sides, "upstream alone"]]
    for row in answers:
        pieces = [f"{row.median(side, lambda w: w.pieces):.0f}" for side in sides]
        chunks.append([row.measure.title, *pieces, f"{alone.pieces:.0f}"])
    firsts = [["question to first token", *sides, "upstream alone"]]
    for row in answers:
        # In a burst a first token waits for other users' whole answers: that says how fast, not how soon.
        if "paced" in row.measure.title:
            times = [_percentiles([ms for w in row.windows[side] for ms in w.first_token_ms]) for side in sides]
            firsts.append([row.measure.title, *times, _percentiles(alone.first_token_ms)])
    return [chunks, firsts]


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
