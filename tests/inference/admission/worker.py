"""A process that asks for slots of a shared queue, for tests that kill it, freeze it, or count what many hold at once.

    python -m tests.inference.admission.worker URL NAME SLOTS LEASE_S RENEWED_EVERY_S hold|storm

`hold` takes one slot and has one more call wait, and says "held". `storm` has many calls come and go; each counts
itself in Redis while it is at work, and the most that were at work at once is said at the end.
"""

import asyncio
import random
import sys

from inference.admission.limits import Limit
from inference.admission.turn import Turn
from inference.billing.types import Purpose
from tests.inference.admission.callers import Caller, Process


async def hold(process: Process) -> None:
    await Caller(process.queue, "worker").admitted()
    waiting = Caller(process.queue, "worker")
    await waiting.told_of(1)
    print("held", flush=True)
    await waiting.admitted()
    print("admitted", flush=True)
    await asyncio.Event().wait()


async def storm(process: Process, name: str) -> None:
    dice = random.Random()
    most = 0

    async def call(number: int) -> None:
        nonlocal most
        turn = Turn([process.queue], f"user-{number % 5}", dice.choice(list(Purpose)))
        try:
            async for _ in turn.until_admitted(model="it", within_s=60):
                pass
            most = max(most, await process.redis.incr(f"test:{name}"))
            await asyncio.sleep(dice.random() / 500)
            await process.redis.decr(f"test:{name}")
        finally:
            turn.leave()

    await asyncio.gather(*(call(number) for number in range(300)))
    await process.aclose()
    print(most, flush=True)


async def main() -> None:
    url, name, slots, lease_s, renewed_every_s, what = sys.argv[1:]
    limit = Limit(int(slots), 1000)
    process = Process(url, name, limit, lease_s=float(lease_s), renewed_every_s=float(renewed_every_s))
    await (storm(process, name) if what == "storm" else hold(process))


if __name__ == "__main__":
    asyncio.run(main())
