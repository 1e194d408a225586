"""Spans on their way to a collector that takes them, is slow, refuses them, or is not there."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from eloquent.embedded import ports
from eloquent.foundation.telemetry import exporting
from eloquent.foundation.telemetry.exporting import BATCH, MOST_WAITING, Export, PatientExporter
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.spans import Kind, begun_span, current_span, record_spans, root_span
from tests.fakes.collector import Collector, attributes_of

AWAY = "the collector of traces takes none"
BACK = "the collector of traces is back"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(exporting, "SENT_EVERY_MS", 20)
    monkeypatch.setattr(exporting, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(exporting, "LAST_SPANS_S", 2.0)
    token = current_span.set(None)
    yield
    record_spans(None, {})
    current_span.reset(token)


def export_to(endpoint: str) -> Export:
    export = Export(endpoint, service="chat", environment="test", release="")
    record_spans(export.record, {Traffic.OTHER: 1.0})
    return export


def one_trace(name: str = "root") -> None:
    span = root_span(name, Kind.SERVER, Traffic.OTHER)
    assert span is not None
    child = begun_span("child", Kind.CLIENT)
    assert child is not None
    child.note(db__system__name="redis", db__operation__batch__size=3)
    child.fail("ConnectionError")
    child.end()
    span.happened("first_token")
    span.end()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("eloquent")]


def test_a_span_arrives_as_it_was_made() -> None:
    with Collector() as collector, closing(export_to(collector.endpoint)):
        one_trace()
        collector.until(lambda: len(collector.spans) == 2)
    [child], [root] = collector.named("child"), collector.named("root")
    assert child.parent_span_id == root.span_id
    assert attributes_of(child) == {"db.system.name": "redis", "db.operation.batch.size": 3}
    assert (child.status.code, child.status.message) == (child.status.STATUS_CODE_ERROR, "ConnectionError")
    assert [event.name for event in root.events] == ["first_token"]
    assert 0 < root.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano


def test_what_waits_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SENT_EVERY_MS", 60_000)
    with Collector() as collector:
        export = export_to(collector.endpoint)
        one_trace()
        export.close()
        assert len(collector.spans) == 2


@pytest.mark.parametrize("status", [400, 503])
def test_a_collector_that_refuses_is_told_of_once(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with Collector() as collector, caplog.at_level(logging.INFO):
        collector.status = status
        with closing(export_to(collector.endpoint)):
            one_trace()
            collector.until(lambda: collector.asked)
            for _ in range(BATCH):
                one_trace()
        assert collector.spans == []
    assert said(caplog) == [AWAY]


def test_a_collector_that_is_away_holds_up_nobody_and_costs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    export = export_to(f"http://127.0.0.1:{ports.any_free_port()}")
    with caplog.at_level(logging.INFO):
        started = time.perf_counter()
        for _ in range(2000):
            one_trace()
        assert time.perf_counter() - started < 5
        export.close()
    assert said(caplog) == [AWAY]


def test_a_slow_collector_holds_up_nobody_and_what_waits_for_it_is_bounded() -> None:
    with Collector() as collector:
        collector.answers.clear()
        export = export_to(collector.endpoint)
        one_trace()
        collector.until(lambda: collector.asked)
        started = time.perf_counter()
        for _ in range(MOST_WAITING):
            one_trace()
        assert time.perf_counter() - started < 5
        assert len(export._processor._batch_processor._queue) <= MOST_WAITING
        started = time.perf_counter()
        export.close()
        assert time.perf_counter() - started < 4


class Scripted:
    """An exporter that does as told."""

    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self.results = list(results)

    def export(self, _spans: object) -> SpanExportResult:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def shutdown(self) -> None:
        pass


BAD, GOOD = SpanExportResult.FAILURE, SpanExportResult.SUCCESS


def test_it_is_said_once_that_the_collector_is_away_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    exporter = PatientExporter(Scripted(GOOD, BAD, OSError("away"), GOOD, GOOD, BAD), rest_s=0.0)
    with caplog.at_level(logging.INFO):
        assert [exporter.export([]) for _ in range(6)] == [GOOD, BAD, BAD, GOOD, GOOD, BAD]
    assert said(caplog) == [AWAY, BACK, AWAY]


def test_while_the_collector_rests_nothing_is_encoded_for_it() -> None:
    scripted = Scripted(BAD, GOOD)
    exporter = PatientExporter(scripted, rest_s=3600)
    assert [exporter.export([]) for _ in range(3)] == [BAD] * 3
    assert scripted.results == [GOOD]


def test_a_batch_is_smaller_than_what_may_wait() -> None:
    assert BATCH * 2 <= MOST_WAITING
