"""What of traces, metrics and reports the configuration turns on: opened first in a process, closed last."""

import asyncio
from collections.abc import Callable
from typing import Final

from eloquent.foundation.config import Config
from eloquent.foundation.telemetry import spans
from eloquent.foundation.telemetry.emission import Emission
from eloquent.foundation.telemetry.metric_names import ENVIRONMENT, SERVICE, Traffic

_closers: Final[list[Callable[[], None]]] = []


def open_telemetry(config: Config) -> None:
    """Begin with what is set. The packages for it are imported here and nowhere else."""
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
        _closers.append(export.close)
    if config.metrics_format == "emf":
        dimensions = {ENVIRONMENT: environment, SERVICE: config.otel_service_name}
        emission = Emission(dimensions, period_s=config.metrics_period_s)
        emission.start()
        _closers.append(emission.end)
    if config.sentry_dsn is not None:
        from eloquent.foundation.telemetry.crash_reports import CrashReports  # as above

        dsn = config.sentry_dsn.get_secret_value()
        reports = CrashReports(dsn, environment=environment, release=config.eloquent_release)
        _closers.append(reports.close)


async def close_telemetry() -> None:
    """Send what waits, for a few seconds at most, and stop."""
    closers = [*_closers]
    _closers.clear()
    if closers:
        await asyncio.gather(*(asyncio.to_thread(close) for close in closers))
        spans.record_spans(None, {})
