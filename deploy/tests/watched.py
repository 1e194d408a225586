"""Reading alarms and dashboards out of templates: what each looks at, wherever it stands."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deploy.tests.conftest import Template

RUNBOOK = Path(__file__).parents[1] / "runbook.md"
ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
PLACE = "A-REFERENCE"
"""What stands for a reference in a dashboard's text."""


class Looked(NamedTuple):
    """A metric as somebody looks at it."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, Any], ...]
    statistic: str

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for key, _ in self.dimensions)


def alarms_of(stacks: Mapping[str, Template], *kinds: str) -> dict[str, dict[str, Any]]:
    """Every alarm's properties, by its name."""
    return {
        each["Properties"]["AlarmName"]: each["Properties"]
        for template in stacks.values()
        for each in template["Resources"].values()
        if each["Type"] in (kinds or (ALARM, COMPOSITE))
    }


def looked_at(alarm: Mapping[str, Any]) -> Iterator[Looked]:
    """The metrics of an alarm that is no composite."""
    if "MetricName" in alarm:
        yield _looked(alarm, alarm.get("Statistic") or alarm["ExtendedStatistic"])
    for query in alarm.get("Metrics", []):
        if "MetricStat" in query:
            yield _looked(query["MetricStat"]["Metric"], query["MetricStat"]["Stat"])


def _looked(metric: Mapping[str, Any], statistic: str) -> Looked:
    dimensions = tuple(
        (each["Name"], json.dumps(each["Value"]) if isinstance(each["Value"], dict) else each["Value"])
        for each in metric.get("Dimensions", [])
    )
    return Looked(metric["Namespace"], metric["MetricName"], dimensions, statistic)


def widgets_of(template: Template) -> list[dict[str, Any]]:
    """The dashboard's, with `PLACE` for what CloudFormation puts in."""
    (dashboard,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::CloudWatch::Dashboard")
    text = dashboard["Properties"]["DashboardBody"]
    if isinstance(text, dict):
        text = "".join(part if isinstance(part, str) else PLACE for part in text["Fn::Join"][1])
    return json.loads(text)["widgets"]


def drawn(widget: Mapping[str, Any]) -> Iterator[Looked]:
    """The metrics of a widget."""
    for metric in widget["properties"]["metrics"]:
        if isinstance(metric[0], str):
            namespace, name, *dimensions, options = metric
            pairs = tuple(zip(dimensions[::2], dimensions[1::2], strict=True))
            yield Looked(namespace, name, pairs, options["stat"])


def headings() -> list[str]:
    """Of the runbook's alarms: `### name`, below `## Alarms`."""
    alarms = RUNBOOK.read_text().split("\n## Alarms\n")[1].split("\n## ")[0]
    return re.findall(r"^### (\S+)$", alarms, re.MULTILINE)
