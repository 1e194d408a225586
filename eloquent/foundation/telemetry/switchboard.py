"""What of traces, metrics and reports the configuration turns on: opened first in a process, closed last."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from eloquent.foundation.config import Config
from eloquent.foundation.telemetry import spans
from eloquent.foundation.telemetry.emission import Emission
from eloquent.foundation.telemetry.metric_names import ENVIRONMENT, SERVICE, Traffic
from eloquent.foundation.telemetry.spans import Span

log = structlog.get_logger(__name__)

Closers = tuple[Callable[[], None], ...]
"""What ends that which was begun; they block."""


def open_telemetry(config: Config) -> Closers:
    """Begin with what is set. The packages for it are imported here and nowhere else. Whoever begins it ends it."""
    closers: list[Callable[[], None]] = []
    environment = config.eloquent_env.value
    if config.otel_exporter_otlp_endpoint is not None:
        from eloquent.foundation.telemetry.exporting import Export  # a megabyte and 0.3 s

        export = Export(
            config.otel_exporter_otlp_endpoint,
            service=config.otel_service_name,
            environment=environment,
            release=config.eloquent_release,
        )
        shares = {Traffic.LANGUAGE_MODEL: config.trace_share_answers, Traffic.OTHER: config.trace_share_others}
        spans.record_spans(export.record, shares)
        closers.append(partial(_end_traces, export.record, export.close))
    if config.metrics_format == "emf":
        dimensions = {ENVIRONMENT: environment, SERVICE: config.otel_service_name}
        emission = Emission(dimensions, period_s=config.metrics_period_s)
        emission.start()
        closers.append(emission.end)
    if config.sentry_dsn is not None:
        from eloquent.foundation.telemetry.crash_reports import CrashReports  # as above

        dsn = config.sentry_dsn.get_secret_value()
        reports = CrashReports(dsn, environment=environment, release=config.eloquent_release)
        closers.append(reports.close)
    return tuple(closers)


async def close_telemetry(closers: Closers) -> None:
    """Send what waits, for a few seconds at most, and stop. What breaks is logged, and keeps nothing else open."""
    ended = await asyncio.gather(*(asyncio.to_thread(close) for close in closers), return_exceptions=True)
    for error in ended:
        if error is not None:
            log.warning("telemetry did not end as it should", exc_info=error)


def _end_traces(record: Callable[[Span], None], close: Callable[[], None]) -> None:
    try:
        close()
    finally:
        spans.stop_recording(record)
