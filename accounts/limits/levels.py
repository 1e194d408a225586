"""Where the levels of `accounts.limits.slowing` are kept: in Redis, or in this process while there is none.

Each question is one command, decided by Redis alone: of many who try at the same moment no two get the same place.
"""

import time
from collections import OrderedDict
from typing import Any, Final

from redis.asyncio import Redis

from accounts.limits import reaching, slowing
from accounts.limits.slowing import Level

MOST_IN_PROCESS: Final = 50_000
"""Of these the ones tried last; in Redis they end by themselves."""

_PREFIX: Final = "eloquent:guess:"


async def take(key: str) -> tuple[float, float]:
    """Take a place for a try: the seconds to wait for it, 0 when it is taken, and how many tries are remembered."""
    at = _now()
    answer = await reaching.ask(lambda client: _ask(client, slowing.SCRIPT, key, f"{at:.6f}"))
    if answer is not None:
        return float(answer[0]), float(answer[1])
    level = _in_process.get(key, Level())
    if (wait_s := slowing.wait_s(level, at)) > 0:
        _keep(key, level)
        return wait_s, level.tries
    level = slowing.tried(level, at)
    _keep(key, level)
    return 0.0, level.tries


async def take_back(key: str) -> None:
    """Give a place back: it was no guess."""
    if (level := _in_process.get(key)) is not None:
        _keep(key, slowing.taken_back(level))
    await reaching.ask(lambda client: _ask(client, slowing.TAKE_BACK_SCRIPT, key))


async def forget(key: str) -> None:
    """Nothing counts against the key any more, here and, unless it is away, in Redis."""
    _in_process.pop(key, None)
    await reaching.ask(lambda client: client.delete(_PREFIX + key))


def forget_all() -> None:
    """Begin anew with everything that this process counted; what is in Redis stays."""
    _in_process.clear()


_in_process: Final[OrderedDict[str, Level]] = OrderedDict()


def _keep(key: str, level: Level) -> None:
    _in_process[key] = level
    _in_process.move_to_end(key)
    while len(_in_process) > MOST_IN_PROCESS:
        _in_process.popitem(last=False)


async def _ask(client: Redis, script: str, key: str, *arguments: str) -> Any:
    return await client.register_script(script)(keys=[_PREFIX + key], args=list(arguments))


def _now() -> float:
    return time.time()
