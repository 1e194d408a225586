"""CloudWatch's embedded metric format: numbers as a line of JSON, of which CloudWatch Logs makes metrics. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A target is a number, or an array of at most 100 numbers, of which CloudWatch computes percentiles. The form with
`Values` and `Counts` that some exporters write is not in the specification.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eloquent.foundation.telemetry.metric_names import NAMESPACE, Metric

MOST_VALUES: Final = 100

Value = float | Sequence[float]


def document(values: Mapping[Metric, Value], dimensions: Mapping[str, str], *, at_ms: int) -> dict[str, Any]:
    """One line's object. All metrics in it have just these dimensions."""
    return {
        "_aws": {
            "Timestamp": at_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(dimensions)],
                    "Metrics": [{"Name": metric.name, "Unit": metric.unit.value} for metric in values],
                }
            ],
        },
        **dimensions,
        **{metric.name: value for metric, value in values.items()},
    }


def thinned(values: Sequence[float], most: int = MOST_VALUES) -> list[float]:
    """At most so many of the values, in their order, with the smallest, the largest and evenly many between them.

    A percentile of what is left is one of all of them, give or take a step. How many there were is lost: that is what
    counters are for.
    """
    ordered = sorted(values)
    if len(ordered) <= most:
        return ordered
    step = (len(ordered) - 1) / (most - 1)
    return [ordered[round(number * step)] for number in range(most)]
