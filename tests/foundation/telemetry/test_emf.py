"""Lines of metrics: what CloudWatch takes, whatever the numbers; percentiles that survive being thinned."""

import os
import select
import subprocess
import sys
from pathlib import Path

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.emf import MOST_VALUES, document, thinned
from eloquent.foundation.telemetry.emission import Emission
from eloquent.foundation.telemetry.metric_names import COMMON, METRICS, Kind, Traffic
from tests.foundation.telemetry.emf_schema import EMF, LARGEST_LINE, faults_of

NUMBERS = st.floats(0, 1e9, allow_nan=False)
ROOT = Path(__file__).resolve().parents[3]


@given(
    st.dictionaries(st.sampled_from(METRICS), NUMBERS | st.lists(NUMBERS, min_size=1, max_size=MOST_VALUES), min_size=1)
)
def test_every_document_is_one_that_cloudwatch_takes(values: dict) -> None:
    line = orjson.dumps(document(values, {"Environment": "prod", "Service": "chat"}, at_ms=1))
    assert len(line) < LARGEST_LINE
    jsonschema.validate(orjson.loads(line), EMF)
    assert faults_of(orjson.loads(line)) == []


@given(st.lists(NUMBERS, min_size=1, max_size=5000))
def test_what_is_thinned_is_bounded_and_keeps_its_ends_and_its_percentiles(values: list[float]) -> None:
    left, ordered = thinned(values), sorted(values)
    assert len(left) == min(len(values), MOST_VALUES)
    assert (left[0], left[-1]) == (ordered[0], ordered[-1])
    assert left == sorted(left)
    for share in (0.5, 0.95, 0.99):
        # The value at this share of what is left lies among all of them within a step, which is a hundredth.
        found = left[round(share * (len(left) - 1))]
        step = len(ordered) / MOST_VALUES + 1
        at = share * (len(ordered) - 1)
        assert ordered[max(0, int(at - step))] <= found <= ordered[min(len(ordered) - 1, int(at + step) + 1)]


def test_the_names_are_read_without_django_or_any_package() -> None:
    code = "from eloquent.foundation.telemetry.metric_names import METRICS, NAMESPACE; print(len(METRICS), NAMESPACE)"
    # -S: no site-packages; -I: nothing of the environment.
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"{len(METRICS)} Eloquent\n"


def test_names_are_different_and_all_have_the_common_dimensions_first() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.dimensions[: len(COMMON)] == COMMON for metric in METRICS)


def test_each_name_has_a_number_of_the_process_and_each_number_a_name() -> None:
    counted = {each.metric for each in (*metrics.COUNTERS, *metrics.requests.values())}
    assert counted == {metric for metric in METRICS if metric.kind is Kind.COUNTER}
    assert {gauge.metric for gauge in metrics.GAUGES} == {metric for metric in METRICS if metric.kind is Kind.GAUGE}
    measured = {distribution.metric for distribution in metrics.DISTRIBUTIONS}
    assert measured == {metric for metric in METRICS if metric.kind is Kind.DISTRIBUTION}


def emission() -> Emission:
    return Emission({"Environment": "test", "Service": "chat"}, period_s=60, write=lambda _lines: None)


def numbers(lines: list[bytes]) -> dict:
    return {name: value for line in lines for name, value in orjson.loads(line).items() if name != "_aws"}


def test_no_line_is_so_long_that_another_process_could_write_into_it() -> None:
    told = Emission({"Environment": "staging", "Service": "s" * 63}, period_s=60)
    for distribution in metrics.DISTRIBUTIONS:
        for number in range(1000):
            distribution.observe(10_000_000 + number + 0.25)  # hours, in milliseconds
    for counter in metrics.COUNTERS:
        counter.value += 1_000_000_000
    for traffic in Traffic:
        metrics.request_ended(traffic, 500)
    lines = told.lines()
    assert len(lines) == 1 + len(metrics.DISTRIBUTIONS) + len(Traffic)
    assert max(map(len, lines)) < select.PIPE_BUF
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)


def test_each_line_is_written_by_itself() -> None:
    reads, writes = os.pipe()
    written, said = [], os.fdopen(writes, "w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", said)
        patch.setattr(os, "write", lambda number, line: written.append((number, line)))
        told = Emission({"Environment": "test", "Service": "chat"}, period_s=60)
        metrics.request_duration.observe(1.0)
        told.start()
        told.end()
    said.close()
    os.close(reads)
    assert {number for number, _ in written} == {writes}
    assert len(written) >= 2
    assert all(orjson.loads(line) and line.endswith(b"\n") for _, line in written)


def test_a_counter_tells_each_time_what_is_new_and_nothing_twice() -> None:
    metrics.runs_stopped.value += 5
    told = emission()
    metrics.runs_stopped.value += 2
    assert numbers(told.lines())["RunsStopped"] == 2
    assert numbers(told.lines())["RunsStopped"] == 0
    metrics.runs_stopped.value += 1
    assert numbers(told.lines())["RunsStopped"] == 1


def test_a_distribution_that_measured_nothing_is_not_written() -> None:
    told = emission()
    assert "RequestDuration" not in numbers(told.lines())
    for value in (3.0, 1.0, 2.0):
        metrics.request_duration.observe(value)
    assert numbers(told.lines())["RequestDuration"] == [1.0, 2.0, 3.0]
    assert "RequestDuration" not in numbers(told.lines())


def test_a_flood_of_values_is_one_line_and_bounded_memory() -> None:
    told = emission()
    for value in range(3 * metrics.MOST_KEPT):
        metrics.request_duration.observe(value)
    found = numbers(told.lines())["RequestDuration"]
    assert (len(found), found[-1]) == (MOST_VALUES, 3 * metrics.MOST_KEPT - 1)


@pytest.mark.parametrize(("status", "name"), [(200, "2xx"), (304, "3xx"), (499, "4xx"), (503, "5xx")])
def test_requests_are_told_by_class_and_status(status: int, name: str) -> None:
    told = emission()
    metrics.request_ended(Traffic.LANGUAGE_MODEL, status)
    found = numbers(told.lines())
    assert (found["Requests"], found["Traffic"], found["StatusClass"]) == (1, "llm", name)
    assert found["ServerErrors"] == (status >= 500)


def test_requests_of_both_roads_are_counted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    others_wait = []

    class Watched:
        """A counter that notes whether another thread would have to wait while this one is between read and write."""

        metric = metrics.server_errors.metric
        _value = 0

        @property
        def value(self) -> int:
            others_wait.append(metrics._adding.locked())
            return self._value

        @value.setter
        def value(self, value: int) -> None:
            self._value = value

    monkeypatch.setattr(metrics, "server_errors", Watched())
    monkeypatch.setitem(metrics.requests, (Traffic.OTHER, 5), Watched())
    metrics.request_ended(Traffic.OTHER, 500)
    assert others_wait == [True, True]


def test_a_failing_health_check_is_no_error_of_the_servers() -> None:
    told = emission()
    metrics.request_ended(Traffic.HEALTH, 503)
    assert numbers(told.lines())["ServerErrors"] == 0
