"""CPU seconds of processes, user and system, with their children."""

import sys
import time

import psutil


def cpu_s(pid: int) -> float:
    """CPU seconds that the process and its living children have used.

    On Linux the kernel's CPU clock of the process is read (nanoseconds): the figures of /proc are whole
    hundredths of a second, as much as several answers cost.
    """
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    if sys.platform == "linux":
        return sum(time.clock_gettime(_cpu_clock_of(process.pid)) for process in family)
    return sum(times.user + times.system for times in (process.cpu_times() for process in family))


def _cpu_clock_of(pid: int) -> int:
    """What clock_getcpuclockid(3) gives for a process: its inverted pid above the bits that say "scheduled time"."""
    return (~pid << 3) | 2


def quiet_cpu_s(pids: list[int], at_most_s: float = 2.0) -> list[float]:
    """CPU seconds of each process once all have gone quiet (under 2 % of a core), or after `at_most_s`.

    A server may still be saving when its last reader has the answer; that work belongs to the answer.
    """
    deadline = time.monotonic() + at_most_s
    before = [cpu_s(pid) for pid in pids]
    while True:
        time.sleep(0.05)
        after = [cpu_s(pid) for pid in pids]
        if sum(after) - sum(before) < 0.05 * 0.02 or time.monotonic() > deadline:
            return after
        before = after
