"""The bench: what the product costs and how fast it is, measured on this machine.

    python -m tests.bench                     the comparison with FastAPI + httpx + AsyncMongoClient, under four minutes
    python -m tests.bench --all               every measure there is, about twelve minutes
    python -m tests.bench --only streams      one of them (may be given again)
    python -m tests.bench --quick ...         less of everything
    python -m tests.bench ... --write DIR     and write page, charts and numbers into the directory

Everything runs here and talks over the loopback: a canned language model, a throw-away mongod (and Valkey), the servers
and the clients. Ends with 1 when any answer was wrong, incomplete or not saved. A missed target is said, and does not
fail.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import comparison, pages, report
from tests.bench.descriptors import TooFewFilesError
from tests.bench.eloquent_side import EloquentSide
from tests.bench.findings import Finding
from tests.bench.peer_side import PeerSide
from tests.bench.product import RefusedError
from tests.bench.rounds import ClientError
from tests.bench.rows import ROWS
from tests.bench.rows.scale import FULL, QUICK, SMOKE, RowScale
from tests.bench.servers import StartError
from tests.bench.stage import Stage, say

SIDES = (EloquentSide.name, PeerSide.name)
COMPARISON = "comparison"


@dataclass(frozen=True, slots=True)
class Scales:
    """How much the comparison and the other measures do."""

    comparison: comparison.Scale
    rows: RowScale


def measured(names: Sequence[str], scale: RowScale, directory: Path) -> list[Finding]:
    """The findings of the measures other than the comparison. One that cannot be made says so and ends none other."""
    if not names:
        return []
    findings = []
    with closing(Stage(directory, scale.paces())) as stage:
        for name in names:
            row = ROWS[name]
            say(f"--- {name}")
            try:
                findings.append(row(stage, scale))
            except (ClientError, OSError, RefusedError, StartError, TooFewFilesError) as error:
                broken = f"{type(error).__name__}: {error}"
                findings.append(Finding(name, name, errors=[f"the measure could not be made: {broken}"]))
    return findings


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    which = options.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every measure")
    which.add_argument("--only", action="append", choices=[COMPARISON, *ROWS], help="this measure")
    much = options.add_mutually_exclusive_group()
    for name, scales, words in (
        ("quick", Scales(comparison.QUICK, QUICK), "fewer rounds, smaller numbers"),
        ("smoke", Scales(comparison.SMOKE, SMOKE), "a few answers, no judgement"),
    ):
        much.add_argument(f"--{name}", action="store_const", dest="scales", const=scales, help=words)
    options.set_defaults(scales=Scales(comparison.FULL, FULL))
    options.add_argument("--side", choices=SIDES, help="the comparison's one side, without a comparison")
    options.add_argument("--streams", type=int, help="streams at once")
    options.add_argument("--sockets", type=int, help="idle sockets")
    options.add_argument("--conversations", type=int, help="in the large collection")
    options.add_argument("--messages", type=int, help="in the large collection")
    options.add_argument("--write", type=Path, metavar="DIR", help="write README.md, numbers.json and charts there")
    return options


def main() -> int:
    """Run, print, write, and say by the exit code whether every answer was right."""
    chosen = _options().parse_args()
    counts = {name: getattr(chosen, name) for name in ("streams", "sockets", "conversations", "messages")}
    scale = replace(chosen.scales.rows, **{name: count for name, count in counts.items() if count})
    names = [COMPARISON, *ROWS] if chosen.all else chosen.only or [COMPARISON]
    started = datetime.now(UTC)
    findings: list[Finding] = []
    facts = report.machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        if COMPARISON in names:
            sides = (chosen.side,) if chosen.side else SIDES
            room = Path(directory) / "comparison"
            room.mkdir()
            rows, alone = comparison.run(chosen.scales.comparison, sides_wanted=sides, directory=room)
            print(report.whole(rows, sides, alone))
            findings.append(report.finding(rows, sides, alone))
        findings += measured([name for name in names if name != COMPARISON], scale, Path(directory))
    for found in findings:
        if found.name != COMPARISON:
            print(report.told(found))
    facts.append(f"started {started:%H:%M} UTC, took {(datetime.now(UTC) - started).total_seconds() / 60:.1f} minutes")
    print("\n" + "\n".join(facts))
    if chosen.write:
        command = f'make bench ARGS="{shlex.join(sys.argv[1:])}"'
        pages.write(chosen.write, findings, facts=facts, command=command, date=f"{started:%Y-%m-%d}")
        print(f"written: {chosen.write / pages.README}")
    return 1 if any(found.errors for found in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
