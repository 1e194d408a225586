"""Sending spans to a collector: OpenTelemetry's batch processor and exporter, in a thread of theirs.

Imported only where a collector is set. The global provider of traces is left alone: some vendors' packages write what
people asked into spans as soon as there is one.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from eloquent.foundation.telemetry.otlp import encoded
from eloquent.foundation.telemetry.spans import Span
from eloquent.foundation.timeout_chain import LAST_SPANS_S

MOST_WAITING: Final = 4096
"""Spans that wait for the collector at most; those that come then push out the oldest."""
BATCH: Final = 512
SENT_EVERY_MS: Final = 2000
ANSWER_TIMEOUT_S: Final = 3.0
"""What the collector has for one batch, all tries together."""
REST_S: Final = 30.0
"""After a batch that was not taken the next ones are thrown away for so long, before they cost anything."""

log = structlog.get_logger(__name__)


class SpansExporter(OTLPSpanExporter):
    """OpenTelemetry's exporter, with `otlp.encoded` in the place of its encoder.

    Args:
        endpoint: the collector's address, without a path.
        resource: who sends.
    """

    def __init__(self, endpoint: str, resource: Mapping[str, str]) -> None:
        super().__init__(f"{endpoint}/v1/traces", timeout=ANSWER_TIMEOUT_S)
        self._told = resource

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        """Send a batch of our spans."""
        taken = self._client.export(encoded(spans, self._told)).success
        return SpanExportResult.SUCCESS if taken else SpanExportResult.FAILURE


class PatientExporter(SpanExporter):
    """Says once that the collector is away, and once that it is back; meanwhile nothing is encoded for it."""

    def __init__(self, exporter: SpanExporter, *, rest_s: float = REST_S) -> None:
        self._exporter = exporter
        self._rest_s = rest_s
        self._rests_until = 0.0
        self._is_away = False

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        """Send them, or drop them."""
        if time.monotonic() < self._rests_until:
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever it is: a trace is not worth a word more
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._rests_until = 0.0
            if self._is_away:
                self._is_away = False
                log.info("the collector of traces is back")
            return result
        self._rests_until = time.monotonic() + self._rest_s
        if not self._is_away:
            self._is_away = True
            log.warning("the collector of traces takes none", rest_s=self._rest_s)
        return result

    def shutdown(self) -> None:
        """Close the connection. The processor calls it last, after what it still had."""
        self._exporter.shutdown()


class Export:
    """Where ended spans go: into a queue, and from there to the collector."""

    def __init__(self, endpoint: str, *, service: str, environment: str, release: str) -> None:
        named = {"service.name": service, "deployment.environment.name": environment, "service.version": release}
        exporter = SpansExporter(endpoint, {name: value for name, value in named.items() if value})
        self._processor = BatchSpanProcessor(
            PatientExporter(exporter),
            max_queue_size=MOST_WAITING,
            schedule_delay_millis=SENT_EVERY_MS,
            max_export_batch_size=BATCH,
        )
        # Past `on_end`, which asks each span whether it is sampled: it is, or it would not be here.
        self._take = self._processor._batch_processor.emit  # noqa: SLF001

    def record(self, span: Span) -> None:
        """Take a span that has ended. Never waits."""
        self._take(span)  # type: ignore[arg-type]

    def close(self) -> None:
        """Send what waits, and return when that is done, or after `LAST_SPANS_S`. Blocks."""
        closing = threading.Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(LAST_SPANS_S)
