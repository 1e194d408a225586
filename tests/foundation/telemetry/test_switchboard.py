"""Who turns telemetry on ends that, and nothing of another's; what breaks at the end keeps nothing else open."""

from collections.abc import Iterator

import pytest

from eloquent.foundation.config import Config, get_config
from eloquent.foundation.telemetry import spans
from eloquent.foundation.telemetry.exporting import Export
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.spans import Kind, current_span, is_tracing, record_spans, root_span
from eloquent.foundation.telemetry.switchboard import close_telemetry, open_telemetry
from tests.fakes.collector import Collector


@pytest.fixture(autouse=True)
def _nothing_is_left_on() -> Iterator[None]:
    yield
    record_spans(None, {})


def config(collector: Collector) -> Config:
    changes = {"otel_exporter_otlp_endpoint": collector.endpoint, "trace_share_others": 1.0}
    return get_config().model_copy(update=changes)


async def test_one_server_of_a_process_that_ends_leaves_the_others_observed() -> None:
    with Collector() as collector:
        first = open_telemetry(config(collector))
        second = open_telemetry(config(collector))
        await close_telemetry(first)
        assert is_tracing()
        span = root_span("after the first is gone", Kind.SERVER, Traffic.OTHER)
        assert span is not None
        span.end()
        current_span.set(None)
        await close_telemetry(second)
        assert not is_tracing()
        assert [each.name for each in collector.spans] == ["after the first is gone"]


async def test_what_breaks_at_the_end_keeps_nothing_else_open(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def broken(_export: Export) -> None:
        raise RuntimeError

    monkeypatch.setattr(Export, "close", broken)
    with Collector() as collector:
        closers = open_telemetry(config(collector))
        assert spans._tracing.recorder is not None
        await close_telemetry((*closers, lambda: ended.append("the last one")))
    assert ended == ["the last one"]
    assert not is_tracing()
