"""Unexpected failures, reported to Sentry: what is logged as an error, without a word that a person wrote.

Imported only where a DSN is set. None of Sentry's integrations is on: they wrap the request road, and gather bodies,
headers and local variables. What is reported is what the log has; a failure that was foreseen (`EloquentError`) is not.
Reports are sent by a thread of Sentry's own, over a queue that drops what does not fit.
"""

import logging
import re
from typing import Any, Final

import sentry_sdk
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.logging import EventHandler
from sentry_sdk.types import Event, Hint

from eloquent.foundation.errors import EloquentError
from eloquent.foundation.logs import request_id_var, run_id_var, scrubbed, user_id_var
from eloquent.foundation.telemetry.spans import current_span

LAST_REPORTS_S: Final = 2.0
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_MASKED_EMAIL: Final = "***@***"
# What a report may have. Whatever a release of Sentry's adds stays out until somebody has looked at it.
_WRITTEN: Final = frozenset({"logentry", "exception", "threads", "extra"})
_PARTS: Final = _WRITTEN | {
    *("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk", "type", "fingerprint")
}


class UnexpectedFailures(EventHandler):
    """Hears the root logger from ERROR on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what was foreseen."""
        error = record.exc_info[1] if record.exc_info else None
        return super().filter(record) is not False and not (
            isinstance(error, EloquentError) and type(error) is not EloquentError
        )


def _without_emails(value: Any) -> Any:
    if isinstance(value, str):
        return _EMAIL.sub(_MASKED_EMAIL, value) if "@" in value else value
    if isinstance(value, dict):
        return {name: _without_emails(inner) for name, inner in value.items()}
    return [_without_emails(inner) for inner in value] if isinstance(value, list) else value


def allowed(event: Event, _hint: Hint) -> Event:
    """The report as it may leave: known parts alone, without secrets and emails, with ids to find its log lines by."""
    ids = {"request_id": request_id_var.get(), "run_id": run_id_var.get()}
    span = current_span.get()
    if span is not None:
        ids["trace_id"] = f"{span.trace_id:032x}"
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in _PARTS}
    for stacktrace in _stacktraces(kept):
        for frame in stacktrace.get("frames", ()):
            frame.pop("vars", None)
    kept = scrubbed(kept)
    kept |= {name: _without_emails(kept[name]) for name in _WRITTEN if name in kept}
    kept["tags"] = {name: value for name, value in ids.items() if value is not None}
    if (user := user_id_var.get()) is not None:
        kept["user"] = {"id": user}
    return kept  # type: ignore[return-value]


def _stacktraces(event: dict[str, Any]) -> list[dict[str, Any]]:
    values = [value for part in ("exception", "threads") for value in (event.get(part) or {}).get("values", ())]
    return [stacktrace for value in values if (stacktrace := value.get("stacktrace"))]


class CrashReports:
    """Reports what is logged from here on, until closed."""

    def __init__(self, dsn: str, *, environment: str, release: str) -> None:
        sentry_sdk.init(
            dsn=dsn,
            environment=environment,
            release=release or None,
            server_name="",
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[DedupeIntegration()],
            before_send=allowed,
            before_breadcrumb=lambda _crumb, _hint: None,
            max_breadcrumbs=0,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            auto_session_tracking=False,
            send_client_reports=False,
            traces_sample_rate=None,
            shutdown_timeout=LAST_REPORTS_S,
        )
        self._handler = UnexpectedFailures(logging.ERROR)
        logging.getLogger().addHandler(self._handler)

    def close(self) -> None:
        """Send what waits, for 2 s at most, and report nothing more. Blocks."""
        logging.getLogger().removeHandler(self._handler)
        sentry_sdk.get_client().close(timeout=LAST_REPORTS_S)
