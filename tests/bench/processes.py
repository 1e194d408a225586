"""What processes use while something goes on: their share of a core, and their memory."""

import time
from dataclasses import dataclass

import psutil

from tests.bench.cpu import cpu_s


@dataclass(frozen=True, slots=True)
class Memory:
    """A process's memory in bytes.

    Attributes:
        rss: resident, with what it shares with others.
        pss: resident, what is shared divided by its sharers.
        uss: what would be free if the process ended.
    """

    rss: int
    pss: int
    uss: int


def memory_of(pid: int) -> Memory:
    """The memory of the process (not of its children), as the kernel counts it."""
    full = psutil.Process(pid).memory_full_info()
    return Memory(full.rss, full.pss, full.uss)


class Shares:
    """The share of a core that each of some processes uses between two looks."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before: dict[str, float] = {}
        self._began = 0.0
        self.used_s: dict[str, float] = {}
        self.elapsed_s = 0.0
        self._machine_before = 0.0
        self.others = 0.0
        """The share of a core that went to everything else on the machine, the kernel's own work with it."""

    def begin(self) -> None:
        """The first look."""
        self._began = time.perf_counter()
        self._before = {name: cpu_s(pid) for name, pid in self._pids.items()}
        self._machine_before = _busy_s()

    def end(self) -> dict[str, float]:
        """The second look: shares by name, 1.0 being a whole core."""
        self.used_s = {name: cpu_s(pid) - self._before[name] for name, pid in self._pids.items()}
        self.elapsed_s = time.perf_counter() - self._began
        all_s = _busy_s() - self._machine_before
        self.others = max(0.0, all_s - sum(self.used_s.values())) / self.elapsed_s
        return {name: used / self.elapsed_s for name, used in self.used_s.items()}


def _busy_s() -> float:
    """CPU seconds that the whole machine has worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def sleep_until(moment: float) -> None:
    """Wait for a moment of `time.perf_counter`."""
    rest_s = moment - time.perf_counter()
    if rest_s > 0:
        time.sleep(rest_s)
