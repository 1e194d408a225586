"""The metrics of this service: what each is called in CloudWatch, its unit, its dimensions, what it says.

Nothing but the standard library is imported here: whoever builds alarms and dashboards reads this module without the
service. `eloquent.foundation.telemetry.metrics` writes them, all of them and no others.

Every combination of dimensions is a metric that Amazon charges for. So there is one that says which environment and
which service, and only where somebody asks for it more.
"""

from enum import StrEnum
from typing import Final, NamedTuple

NAMESPACE: Final = "Eloquent"

ENVIRONMENT: Final = "Environment"
SERVICE: Final = "Service"
TRAFFIC: Final = "Traffic"
STATUS_CLASS: Final = "StatusClass"

COMMON: Final = (ENVIRONMENT, SERVICE)
"""The dimensions of every metric: ELOQUENT_ENV and OTEL_SERVICE_NAME."""


class Unit(StrEnum):
    """CloudWatch's own names."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    PER_SECOND = "Count/Second"


class Kind(StrEnum):
    """What a period's numbers are."""

    COUNTER = "counter"
    """How many there were since the last line. Sum them. 0 is written, too, unless the metric has more dimensions."""
    GAUGE = "gauge"
    """How many there are now, in one process. Average is a process's share, Maximum that of the busiest."""
    DISTRIBUTION = "distribution"
    """What was measured, at most 100 values a line, whose percentiles are those of all. Nothing when there was none."""


class Traffic(StrEnum):
    """The classes of requests, values of the dimension `Traffic`."""

    LANGUAGE_MODEL = "llm"
    """Those that ask a language model, or read an answer as it is written."""
    OTHER = "other"
    HEALTH = "health"


class Metric(NamedTuple):
    """One metric. `target` is what the service should stay below, in its unit, where there is such a thing."""

    name: str
    unit: Unit
    kind: Kind
    meaning: str
    dimensions: tuple[str, ...] = COMMON
    target: float | None = None


REQUESTS: Final = Metric(
    "Requests",
    Unit.COUNT,
    Kind.COUNTER,
    "requests over HTTP by class (`Traffic`) and the first digit of their status (2xx, 4xx, 5xx)",
    (*COMMON, TRAFFIC, STATUS_CLASS),
)
REQUEST_DURATION: Final = Metric(
    "RequestDuration",
    Unit.MILLISECONDS,
    Kind.DISTRIBUTION,
    "from a request's head to its answer on the request road (the API), where its client stays for it; without health"
    " checks and whatever waits for a language model",
    target=500,
)
SERVER_ERRORS: Final = Metric(
    "ServerErrors",
    Unit.COUNT,
    Kind.COUNTER,
    "requests that were answered with 500 or more, but health checks",
)
TIME_TO_FIRST_TOKEN: Final = Metric(
    "TimeToFirstToken",
    Unit.MILLISECONDS,
    Kind.DISTRIBUTION,
    "from a question that was let in to the first word of its answer, the queue included",
    target=2000,
)
OWN_MODEL_FIRST_TOKEN: Final = Metric(
    "OwnModelFirstToken",
    Unit.MILLISECONDS,
    Kind.DISTRIBUTION,
    "from a call of a model of our own Ollama to its first word, the queue included",
)
TOKENS_PER_SECOND: Final = Metric(
    "TokensPerSecond",
    Unit.PER_SECOND,
    Kind.DISTRIBUTION,
    "tokens a second of a call, from its first to its last",
)
STREAMS_IN_FLIGHT: Final = Metric(
    "StreamsInFlight", Unit.COUNT, Kind.GAUGE, "answers that are being written in a process, runs and completions"
)
QUEUE_WAIT: Final = Metric(
    "QueueWait",
    Unit.MILLISECONDS,
    Kind.DISTRIBUTION,
    "how long a call waited for a slot of its model's server, where slots are limited, also when it got none",
)
RUNS_COMPLETED: Final = Metric("RunsCompleted", Unit.COUNT, Kind.COUNTER, "runs whose answer is whole")
RUNS_STOPPED: Final = Metric("RunsStopped", Unit.COUNT, Kind.COUNTER, "runs that their users stopped")
RUNS_INTERRUPTED: Final = Metric(
    "RunsInterrupted", Unit.COUNT, Kind.COUNTER, "runs that ended because their process had to go, or was lost"
)
RUNS_FAILED: Final = Metric("RunsFailed", Unit.COUNT, Kind.COUNTER, "runs that failed, for whatever reason")
MODEL_FAILURES: Final = Metric(
    "ModelFailures",
    Unit.COUNT,
    Kind.COUNTER,
    "calls of language models that failed, made again or not",
)
COST_MICROS: Final = Metric(
    "CostMicros",
    Unit.COUNT,
    Kind.COUNTER,
    "what calls of language models cost, in millionths of USAGE_CURRENCY, once each as the ledger has them",
)
SOCKETS_OPEN: Final = Metric("SocketsOpen", Unit.COUNT, Kind.GAUGE, "signed-in websockets of a process")

METRICS: Final[tuple[Metric, ...]] = (
    REQUESTS,
    REQUEST_DURATION,
    SERVER_ERRORS,
    TIME_TO_FIRST_TOKEN,
    OWN_MODEL_FIRST_TOKEN,
    TOKENS_PER_SECOND,
    STREAMS_IN_FLIGHT,
    QUEUE_WAIT,
    RUNS_COMPLETED,
    RUNS_STOPPED,
    RUNS_INTERRUPTED,
    RUNS_FAILED,
    MODEL_FAILURES,
    COST_MICROS,
    SOCKETS_OPEN,
)
"""All of them."""
