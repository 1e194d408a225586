"""The soak: many answers at once for many minutes, while workers die and come back and readers come and go.

    python -m tests.soak                              ten minutes, 500 streams, two workers
    python -m tests.soak --minutes 1 --streams 50     a taste of it

A throw-away mongod and valkey, the workers with the options of production, a language model whose every word is known,
and a dispatcher that sends each request to a random worker. Workers are killed, sent away and restarted at random; the
first one lives for nine tenths of the time, so that its memory shows what a long life does. Half of all readings are
left in the middle and taken up again, behind the last event or from the beginning; some answers are stopped.

At the end every answer must be whole, or honestly stopped or interrupted with at least what any reader was shown;
runs, messages, conversations and readers must agree; no memory may go on growing; nothing may stay in Redis for ever.
Prints a report, writes it as soak.txt and soak.json, and ends with 1 when anything is wrong.
"""

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

import uvloop

from tests.soak import judgement, report
from tests.soak.vitals import Vitals
from tests.soak.world import Scale, World
from tests.survival.stage import Stage, until

REST_PATIENCE_S = 60.0


async def soak(scale: Scale, workers: int, directory: Path) -> int:
    """Set the stage, let it all happen, judge, report. The exit code."""
    began = time.monotonic()
    async with Stage(workers, scale.seed) as stage:
        vitals = Vitals(stage, every_s=min(5.0, scale.seconds / 10))
        world = World(stage, scale, vitals)
        watching = asyncio.create_task(vitals.watch())
        try:
            await world.run()
            await stage.mend()
            try:
                await until(lambda: judgement.all_at_rest(stage), within_s=REST_PATIENCE_S)
            except TimeoutError:
                world.faults.append(f"some answers were not at rest {REST_PATIENCE_S:g} s after the end")
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await vitals.look()
        wrong, ends = await judgement.judge(stage, world.asked)
        for worker in stage.workers:
            wrong += worker.errors()
    faults = [*world.faults, *wrong, *vitals.faults()]
    setup = {
        "minutes": round(scale.seconds / 60, 2),
        "streams": scale.streams,
        "workers": workers,
        "seed": scale.seed,
        "took s": round(time.monotonic() - began),
    }
    told = report.text(setup, world.events, ends, vitals, faults)
    report.write(directory, told, report.numbers(setup, world.events, ends, vitals, faults))
    print(told)
    return 1 if faults else 0


def main() -> int:
    """Read the options and soak."""
    options = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--streams", type=int, default=500)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--seed", type=int, default=None, help="to see the same dice again")
    options.add_argument("--directory", type=Path, default=Path(".eloquent/soak"), help="where the report is written")
    options.add_argument("--between-blows", type=float, nargs=2, default=(8.0, 25.0), metavar=("FROM_S", "TO_S"))
    options.add_argument("--tokens", type=int, nargs=2, default=(20, 160), metavar=("FROM", "TO"))
    options.add_argument("--tokens-per-s", type=float, nargs=2, default=(2.0, 6.0), metavar=("FROM", "TO"))
    chosen = options.parse_args()
    scale = Scale(
        seconds=chosen.minutes * 60,
        streams=chosen.streams,
        seed=random.randrange(2**32) if chosen.seed is None else chosen.seed,
        tokens=tuple(chosen.tokens),
        per_s=tuple(chosen.tokens_per_s),
        between_blows_s=tuple(chosen.between_blows),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(soak(scale, chosen.workers, chosen.directory))


if __name__ == "__main__":
    sys.exit(main())
