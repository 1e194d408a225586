"""Writing this process's metrics once a period, from a thread of its own: a full pipe holds up nobody else."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import orjson

from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.emf import Value, document, thinned
from eloquent.foundation.telemetry.metric_names import STATUS_CLASS, TRAFFIC, Metric
from eloquent.foundation.telemetry.metrics import Counter

ENDED_WITHIN_S: Final = 2.0


def _to_stdout(line: bytes) -> None:
    # Not stderr, where the log is: two writers of one pipe could cut into each other's lines. The workers of a server
    # share stdout, too: what is written at once, and is no longer than PIPE_BUF (4,096 bytes), is not cut into (POSIX).
    os.write(sys.stdout.fileno(), line)


class Emission:
    """Writes what has come together since it was made, once a period, until it is ended.

    Args:
        dimensions: those of every metric, with their values.
        period_s: seconds between two writings.
        write: takes one whole line.
    """

    def __init__(
        self, dimensions: dict[str, str], *, period_s: float, write: Callable[[bytes], None] = _to_stdout
    ) -> None:
        self._dimensions = dimensions
        self._period_s = period_s
        self._write = write
        self._told: dict[Counter, int] = {
            counter: counter.value for counter in (*metrics.COUNTERS, *metrics.requests.values())
        }
        for distribution in metrics.DISTRIBUTIONS:
            distribution.take()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Write every `period_s` from now on, in a thread of its own that keeps no process alive."""
        self._thread.start()

    def end(self) -> None:
        """Write once more, and return when that is done, or after 2 s."""
        self._over.set()
        self._thread.join(ENDED_WITHIN_S)

    def lines(self) -> list[bytes]:
        """What has come together since this was last asked, as whole lines: what is measured has a line each."""
        at_ms = time.time_ns() // 1_000_000
        values: dict[Metric, Value] = {counter.metric: self._new_of(counter) for counter in metrics.COUNTERS}
        values |= {gauge.metric: gauge.value for gauge in metrics.GAUGES}
        documents = [document(values, self._dimensions, at_ms=at_ms)]
        for distribution in metrics.DISTRIBUTIONS:
            if taken := distribution.take():
                measured = [round(value, 2) for value in thinned(taken)]
                documents.append(document({distribution.metric: measured}, self._dimensions, at_ms=at_ms))
        for (traffic, digit), counter in metrics.requests.items():
            if new := self._new_of(counter):
                more = {TRAFFIC: traffic.value, STATUS_CLASS: f"{digit}xx"}
                documents.append(document({counter.metric: new}, self._dimensions | more, at_ms=at_ms))
        return [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in documents]

    def _new_of(self, counter: Counter) -> int:
        value = counter.value
        told, self._told[counter] = self._told[counter], value
        return value - told

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._over.wait(self._period_s)
            try:
                for line in self.lines():
                    self._write(line)
            except (OSError, ValueError):
                return  # nobody reads what this process says any more
