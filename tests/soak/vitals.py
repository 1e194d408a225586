"""The memory of every process over time."""

import asyncio
import time
from dataclasses import dataclass, field

import psutil

from tests.survival.stage import Stage

MEBIBYTE = 2**20
# Logs of ended answers are kept for five minutes: until then memory grows as it should.
GROWS_FOR_S = 330.0
FEWEST_SAMPLES = 10
# What a process may gain in an hour of soaking, judged on what it did after `GROWS_FOR_S`.
MOST_MIB_PER_MINUTE = 1.5


@dataclass
class Life:
    """One process from its start to its end: `(seconds since the soak began, bytes)`."""

    name: str
    pid: int
    began_s: float
    samples: list[tuple[float, int]] = field(default_factory=list)

    def settled(self) -> list[tuple[float, int]]:
        """The samples from when it should grow no more."""
        return [(at, size) for at, size in self.samples if at - self.began_s >= GROWS_FOR_S]

    def slope(self) -> float | None:
        """MiB a minute over its settled life; None when that was too short to tell."""
        settled = self.settled()
        if len(settled) < FEWEST_SAMPLES:
            return None
        mean_at = sum(at for at, _ in settled) / len(settled)
        mean_size = sum(size for _, size in settled) / len(settled)
        spread = sum((at - mean_at) ** 2 for at, _ in settled)
        return sum((at - mean_at) * (size - mean_size) for at, size in settled) / spread * 60 / MEBIBYTE


class Vitals:
    """Takes a sample of everything now and then."""

    def __init__(self, stage: Stage, every_s: float) -> None:
        self.lives: list[Life] = []
        self.redis: list[tuple[float, int, int]] = []
        """Seconds, bytes used by data, keys."""
        self._stage = stage
        self._every_s = every_s
        self._began = time.monotonic()

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """One sample."""
        at = round(time.monotonic() - self._began, 1)
        servers = [(f"worker {number}", worker) for number, worker in enumerate(self._stage.workers, 1)]
        for name, server in [*servers, ("mongod", self._stage.mongod), ("valkey", self._stage.valkey)]:
            if server.is_running():
                try:
                    size = psutil.Process(server.pid).memory_info().rss
                except psutil.Error:
                    continue
                self._life_of(name, server.pid, at).samples.append((at, size))
        used = (await self._stage.redis.info("memory"))["used_memory"]
        self.redis.append((at, used, await self._stage.redis.dbsize()))

    def _life_of(self, name: str, pid: int, at: float) -> Life:
        for life in self.lives:
            if (life.name, life.pid) == (name, pid):
                return life
        self.lives.append(Life(name, pid, at))
        return self.lives[-1]

    def faults(self) -> list[str]:
        """A sentence for each worker whose memory goes on growing."""
        return [
            f"The memory of {life.name} (process {life.pid}) grows by {slope:.2f} MiB a minute"
            for life in self.lives
            if life.name.startswith("worker") and (slope := life.slope()) is not None and slope > MOST_MIB_PER_MINUTE
        ]
