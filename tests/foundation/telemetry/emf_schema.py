"""The rules of CloudWatch's embedded metric format: its JSON schema, and what its text says beyond that.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from typing import Any

UNITS = {"Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "Bytes/Second", "Count/Second", "None"}
LARGEST_LINE = 256 * 1024
MOST_VALUES = 100
MOST_DIMENSIONS = 9
MOST_METRICS = 100

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
EMF: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": _NAME,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": MOST_DIMENSIONS, "items": _NAME},
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": MOST_METRICS,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {"Name": _NAME, "Unit": {"enum": sorted(UNITS)}},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def faults_of(line: dict[str, Any]) -> list[str]:
    """What the schema cannot say: that everything named is there, at the root, and is a number or a text."""
    faults = []
    for directive in line["_aws"]["CloudWatchMetrics"]:
        dimensions = {name: line.get(name) for names in directive["Dimensions"] for name in names}
        faults += [
            f"the dimension {name} is {value!r}"
            for name, value in dimensions.items()
            if not isinstance(value, str) or not 0 < len(value) <= 1024
        ]
        for name in (metric["Name"] for metric in directive["Metrics"]):
            value = line.get(name)
            values = value if isinstance(value, list) else [value]
            if not 0 < len(values) <= MOST_VALUES or not all(type(one) in (int, float) for one in values):
                faults.append(f"the metric {name} is {value!r}")
    return faults
