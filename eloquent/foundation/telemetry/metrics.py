"""The numbers of this process: counted where things happen, read by `emission` once a period.

They are counted whether or not anybody reads them: an addition is cheaper than the question. Counters only grow, and
what is measured goes through a deque, so that threads write and another one reads without a lock, and no number is
lost or told twice.
"""

import threading
from collections import deque
from typing import Final

from eloquent.foundation.telemetry import metric_names as names
from eloquent.foundation.telemetry.metric_names import Metric, Traffic

MOST_KEPT: Final = 10_000
"""Values of a distribution in one period; of more than that the latest are kept."""

_SERVER_FAULT: Final = 500


class Counter:
    """Grows. `value` is added to by the event loop's thread alone, or, of requests, by `request_ended`."""

    __slots__ = ("metric", "value")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.value = 0


class Gauge:
    """Goes up and down. `value` is set by the event loop's thread alone."""

    __slots__ = ("metric", "value")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.value = 0


class Distribution:
    """What was measured since it was last taken."""

    __slots__ = ("_kept", "metric", "observe")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._kept: deque[float] = deque(maxlen=MOST_KEPT)
        self.observe = self._kept.append
        """Note a value, in the metric's unit."""

    def take(self) -> list[float]:
        """What there is, which is forgotten here."""
        taken: list[float] = []
        try:
            while True:
                taken.append(self._kept.popleft())
        except IndexError:
            return taken


request_duration: Final = Distribution(names.REQUEST_DURATION)
server_errors: Final = Counter(names.SERVER_ERRORS)
time_to_first_token: Final = Distribution(names.TIME_TO_FIRST_TOKEN)
own_model_first_token: Final = Distribution(names.OWN_MODEL_FIRST_TOKEN)
tokens_per_second: Final = Distribution(names.TOKENS_PER_SECOND)
streams_in_flight: Final = Gauge(names.STREAMS_IN_FLIGHT)
queue_wait: Final = Distribution(names.QUEUE_WAIT)
runs_completed: Final = Counter(names.RUNS_COMPLETED)
runs_stopped: Final = Counter(names.RUNS_STOPPED)
runs_interrupted: Final = Counter(names.RUNS_INTERRUPTED)
runs_failed: Final = Counter(names.RUNS_FAILED)
model_failures: Final = Counter(names.MODEL_FAILURES)
cost_micros: Final = Counter(names.COST_MICROS)
sockets_open: Final = Gauge(names.SOCKETS_OPEN)

COUNTERS: Final = (
    server_errors,
    runs_completed,
    runs_stopped,
    runs_interrupted,
    runs_failed,
    model_failures,
    cost_micros,
)
GAUGES: Final = (streams_in_flight, sockets_open)
DISTRIBUTIONS: Final = (request_duration, time_to_first_token, own_model_first_token, tokens_per_second, queue_wait)

requests: Final[dict[tuple[Traffic, int], Counter]] = {
    (traffic, digit): Counter(names.REQUESTS) for traffic in Traffic for digit in range(1, 6)
}
"""By class and the first digit of the status."""


# The desk road's middleware runs in a thread, beside the event loop's: Python promises no whole `+=` to either.
_adding: Final = threading.Lock()


def request_ended(traffic: Traffic, status: int) -> None:
    """A request was answered. From any thread."""
    with _adding:
        requests[traffic, min(max(status // 100, 1), 5)].value += 1
        if status >= _SERVER_FAULT and traffic is not Traffic.HEALTH:
            server_errors.value += 1
