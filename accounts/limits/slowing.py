"""How guessing is slowed: a level that each try raises and time lowers, and the wait that goes with it. Pure.

The first FREE tries need not wait. After that each has to wait twice as long as the one before it, and from LOCKED on
for LEAK_S: that long it takes for one to be forgotten. Whoever goes on trying has FREE + LOCKED - FREE tries, and one
each LEAK_S: 111 in the first day, 96 in each that follows. Whoever stops is forgotten in LEAK_S for each try, so an
email that somebody made up, and tried once, is kept for a quarter of an hour.

`SCRIPT` is `tried` for Redis, with the same constants.
"""

import math
from typing import Final

import msgspec

FREE: Final = 10
LOCKED: Final = 15
LEAK_S: Final = 900.0
FIRST_WAIT_S: Final = 30.0


class Level(msgspec.Struct, frozen=True):
    """How many tries are remembered, and when the last one was (seconds since the epoch)."""

    tries: float = 0.0
    at: float = 0.0


def wait_behind(tries: float) -> float:
    """Seconds between a try that made it so many, and the next."""
    whole = math.floor(tries + 0.5)  # a little has always leaked since the last one
    if whole < FREE:
        return 0.0
    return LEAK_S if whole >= LOCKED else FIRST_WAIT_S * 2.0 ** (whole - FREE)


def wait_s(level: Level, at: float) -> float:
    """Seconds until the next try; 0 or less when it may be made."""
    return level.at + wait_behind(level.tries) - at


def tried(level: Level, at: float) -> Level:
    """One more, at a moment when it may be made."""
    left = max(0.0, level.tries - max(0.0, at - level.at) / LEAK_S)
    return Level(left + 1.0, at)


def taken_back(level: Level) -> Level:
    """One less: it was no guess."""
    return Level(max(0.0, level.tries - 1.0), level.at)


def is_locked(tries: float) -> bool:
    """Whether whoever comes next has to wait the longest."""
    return math.floor(tries + 0.5) >= LOCKED


# Key: the level. Arguments: now. Answers how long to wait (0: it is counted), and how many tries there are then.
SCRIPT: Final = f"""
local kept = redis.call('HMGET', KEYS[1], 'tries', 'at')
local tries, at, now = tonumber(kept[1] or 0), tonumber(kept[2] or 0), tonumber(ARGV[1])
local whole, wait = math.floor(tries + 0.5), 0
if whole >= {LOCKED} then wait = {LEAK_S}
elseif whole >= {FREE} then wait = {FIRST_WAIT_S} * 2 ^ (whole - {FREE}) end
wait = at + wait - now
if wait > 0 then return {{string.format('%.6f', wait), string.format('%.6f', tries)}} end
tries = math.max(0, tries - math.max(0, now - at) / {LEAK_S}) + 1
redis.call('HSET', KEYS[1], 'tries', string.format('%.6f', tries), 'at', ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(tries * {LEAK_S}) + 1)
return {{'0', string.format('%.6f', tries)}}
"""

# Key: the level. One less; the key goes with the last.
TAKE_BACK_SCRIPT: Final = """
local tries = tonumber(redis.call('HGET', KEYS[1], 'tries') or 0) - 1
if tries > 0 then redis.call('HSET', KEYS[1], 'tries', string.format('%.6f', tries))
else redis.call('DEL', KEYS[1]) end
return 0
"""
