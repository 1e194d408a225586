"""The fuzz: our server against requests that nobody would think of, one behind the other, for many minutes.

    python -m tests.fuzz                        five minutes
    python -m tests.fuzz --minutes 30 --stay    longer, and leave the server up for whoever wants to try what was found
    python -m tests.fuzz --include-tag chat     what schemathesis takes is handed on

A throw-away mongod and valkey, one server process with limits that no fuzzer meets, a language model whose words are
known, two people. Half of the time it sends single requests, the other half stories of several. What it finds is
printed as requests to repeat, with a seed (`--seed`); an error in the server's log counts, too. Ends with 1 when there
is any.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.fuzz.fuzzer import Fuzzer
from tests.survival.stage import Stage

# Each has half of the time: single requests, of which there are always more, leave none for stories. And these are of
# what people make and come back to; the rest of the interface leads nowhere.
STORIES = r"/(conversations|runs|messages|ui|attachments|imports|exports|api-keys|search)\b"
HALVES = (
    ("--phases", "examples,coverage,fuzzing"),
    ("--phases", "stateful", "--include-path-regex", STORIES),
)


async def fuzz_a_stage(directory: Path, *arguments: str, stay: bool = False) -> int:
    """Set the stage, fuzz it, look at its log. The exit code."""
    async with Stage(workers=1) as stage:
        fuzzer = await asyncio.to_thread(Fuzzer, stage.url, directory)
        found = [await asyncio.to_thread(fuzzer.run, *half, *arguments) for half in HALVES]
        [worker] = stage.workers
        faults = worker.errors()
        print(*faults, f"{len(faults)} errors in the server's log", sep="\n")
        if stay:
            await asyncio.to_thread(input, f"{stage.url} is up until you press Enter. ")
    return 1 if faults or any(half.returncode for half in found) else 0


def main() -> int:
    """Read the options and fuzz."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--stay", action="store_true", help="leave the server up at the end")
    options.add_argument("--directory", type=Path, default=Path(".eloquent/fuzz"), help="what is kept between runs")
    chosen, handed_on = options.parse_known_args()
    seconds = max(1, round(chosen.minutes * 60 / len(HALVES)))
    arguments = ["--max-time", str(seconds), *handed_on]
    return asyncio.run(fuzz_a_stage(chosen.directory, *arguments, stay=chosen.stay))


if __name__ == "__main__":
    sys.exit(main())
