"""The line in front of one server in Redis, for all processes: one script that does everything, atomically.

A process says which of its calls have left and which it has, and is told where each of these stands. Saying the same
twice changes nothing, so after a lost answer, or lost data, it is said again. Every call has a lease, renewed by being
named; one whose process is dead or frozen is dropped at the first question after its end. Whoever asks admits those
whose turn has come, whosesoever they are, and tells their processes on the channel `RUNG`.

Keys, of `eloquent:queue:{server}:…`: `admitted` and `waiting`, calls by the end of their leases (milliseconds of
Redis's own clock); `order`, those that wait by when they came; `turns`, a user's place among those of a priority;
`count`, from which the numbers of both are.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from inference.admission.limits import Limit

RUNG: Final = "eloquent:queues"
"""The channel: the server's name, then the keys of the calls that were admitted, with spaces between."""

ADMITTED: Final = 0
FULL: Final = -1

_SCRIPT: Final = (
    """
local admitted, waiting, order, turns, count = unpack(KEYS)
local slots, most, lease_ms, name = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + lease_ms
local changed, rung, asked = false, {}, {}
local groups, turn_of = {}, {}

local function group_of(call) return string.match(call, '^(%d+:[^:]*):') end
local function before(one, other)
  local first, second = tonumber(string.match(one, '^%d+')), tonumber(string.match(other, '^%d+'))
  if first ~= second then return first < second end
  return turn_of[one] < turn_of[other]
end
local function drop(call)
  redis.call('ZREM', waiting, call)
  return redis.call('ZREM', order, call) == 1
end

changed = redis.call('ZREMRANGEBYSCORE', admitted, '-inf', now) > 0
for _, call in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', now)) do changed = drop(call) or changed end

local at = 6
for _ = 1, tonumber(ARGV[5]) do
  changed = redis.call('ZREM', admitted, ARGV[at]) == 1 or changed
  changed = drop(ARGV[at]) or changed
  at = at + 1
end
for i = at, #ARGV, 2 do
  -- What a process has at work is at work, whatever is known of it here.
  if ARGV[i + 1] == 'admitted' then
    changed = drop(ARGV[i]) or changed
    redis.call('ZADD', admitted, ends, ARGV[i])
  end
end

for _, call in ipairs(redis.call('ZRANGE', order, 0, -1)) do
  local group = group_of(call)
  groups[group] = groups[group] or {}
  table.insert(groups[group], call)
end
local told = redis.call('HGETALL', turns)
for i = 1, #told, 2 do
  if groups[told[i]] then turn_of[told[i]] = tonumber(told[i + 1]) else redis.call('HDEL', turns, told[i]) end
end
local function take_turn(group)
  turn_of[group] = redis.call('INCR', count)
  redis.call('HSET', turns, group, turn_of[group])
end

local function admit()
  while next(groups) and redis.call('ZCARD', admitted) < slots do
    local first
    for group in pairs(groups) do if not first or before(group, first) then first = group end end
    local call = table.remove(groups[first], 1)
    drop(call)
    redis.call('ZADD', admitted, ends, call)
    table.insert(rung, call)
    if #groups[first] > 0 then
      take_turn(first)
    else
      groups[first] = nil
      redis.call('HDEL', turns, first)
    end
  end
end

admit()
for i = at, #ARGV, 2 do
  local call, state = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', admitted, call) then
    redis.call('ZADD', admitted, ends, call)
    asked[call] = 0
  elseif redis.call('ZSCORE', order, call) then
    redis.call('ZADD', waiting, ends, call)
  elseif state == 'new' and redis.call('ZCARD', order) >= most and redis.call('ZCARD', admitted) >= slots then
    asked[call] = -1
  else
    local group = group_of(call)
    if not groups[group] then
      groups[group] = {}
      take_turn(group)
    end
    table.insert(groups[group], call)
    redis.call('ZADD', order, redis.call('INCR', count), call)
    redis.call('ZADD', waiting, ends, call)
    changed = true
    admit()
  end
end

local position = 0
local line = {}
for group in pairs(groups) do table.insert(line, group) end
table.sort(line, before)
local from = 1
while from <= #line do
  local to = from
  local priority = string.match(line[from], '^%d+')
  while to < #line and string.match(line[to + 1], '^%d+') == priority do to = to + 1 end
  local round, more = 1, true
  while more do
    more = false
    for i = from, to do
      local call = groups[line[i]][round]
      if call then
        position = position + 1
        asked[call] = position
        more = true
      end
    end
    round = round + 1
  end
  from = to + 1
end

local states = {}
for i = at, #ARGV, 2 do table.insert(states, asked[ARGV[i]] or 0) end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, lease_ms * 6) end
if #rung > 0 or (changed and position > 0) then
  redis.call('PUBLISH', '"""
    + RUNG
    + """', table.concat({name, unpack(rung)}, ' '))
end
local full = redis.call('ZCARD', order) >= most and redis.call('ZCARD', admitted) >= slots
return {states, rung, full and 1 or 0}
"""
)


class Answer(NamedTuple):
    """What Redis says."""

    states: Mapping[str, int]
    """Of each call that was named: ADMITTED, FULL, or its position in the line, from 1."""
    admitted: list[str]
    """Whose turn has come just now, of whatever process."""
    is_full: bool
    """Whether one more call would be refused."""


class SharedLine:
    """The line of one server.

    Args:
        redis: a client that may be shared.
        lease_s: how long a call is kept that is not named again.
    """

    def __init__(self, redis: Redis, name: str, limit: Limit, *, lease_s: float) -> None:
        self.lease_s = lease_s
        self._name = name
        self._limit = limit
        self._keys = [
            f"eloquent:queue:{{{name}}}:{part}" for part in ("admitted", "waiting", "order", "turns", "count")
        ]
        self._script = redis.register_script(_SCRIPT)

    async def ask(self, *, left: Iterable[str], calls: Mapping[str, str]) -> Answer:
        """Say which calls have left, and of the others whether each is "new", "waiting" or "admitted".

        Raises:
            RedisError, OSError: Redis is away; it may have heard all the same.
        """
        gone = list(left)
        args: list[Any] = [self._limit.slots, self._limit.waiting, int(self.lease_s * 1000), self._name, len(gone)]
        args += gone
        for key, state in calls.items():
            args += (key, state)
        states, admitted, is_full = await self._script(keys=self._keys, args=args)
        return Answer(dict(zip(calls, states, strict=True)), [key.decode() for key in admitted], bool(is_full))
