"""Unexpected failures, reported to Sentry: what is logged as an error, without a word that a person wrote.

Imported only where a DSN is set. None of Sentry's integrations is on: they wrap the request road, and gather bodies,
headers and local variables. What is reported is where it broke and what our own code says of it: the words of an
exception, and of a library's line, may be a caller's (a key that is not there, a value that is not valid, an address
with its query), so they stay in the log, where the ids of the report find them. A failure that was foreseen
(`EloquentError`, what Django refuses) is not reported. Reports are sent by a thread of Sentry's own, over a queue that
drops what does not fit.
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
_PARTS: Final = frozenset(
    (
        *("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk", "type"),
        *("fingerprint", "exception", "threads"),
    )
)
_EXCEPTION_PARTS: Final = ("type", "module", "stacktrace")
_MECHANISM_PARTS: Final = ("type", "handled", "exception_id", "parent_id", "is_exception_group")
# Of what our code says beside its sentence: ids, and words of our own. A new field is in the log alone, likewise.
_FIELDS: Final = frozenset(
    (
        *("action", "actions", "conversation_id", "erasure", "error", "export", "fields", "import_id", "kids", "kind"),
        *("many", "place", "route", "run_id", "step", "tool", "what"),
    )
)


class UnexpectedFailures(EventHandler):
    """Hears the root logger from ERROR on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what was foreseen."""
        error = record.exc_info[1] if record.exc_info else None
        return (
            super().filter(record) is not False
            and not (isinstance(error, EloquentError) and type(error) is not EloquentError)
            and not _is_refusal_of_djangos(record)
        )


def _is_refusal_of_djangos(record: logging.LogRecord) -> bool:
    """Whoever sends a wrong host or a form with too many fields is an error to Django's log; so is each answer of 5xx.

    Strangers can have as many of the former as they like, and a view that answers 503 meant it.
    """
    return f"{record.name}.".startswith("django.security.") or (record.name == "django.request" and not record.exc_info)


def _without_emails(value: Any) -> Any:
    if isinstance(value, str):
        return _EMAIL.sub(_MASKED_EMAIL, value) if "@" in value else value
    if isinstance(value, dict):
        return {name: _without_emails(inner) for name, inner in value.items()}
    return [_without_emails(inner) for inner in value] if isinstance(value, list) else value


def allowed(event: Event, hint: Hint) -> Event:
    """The report as it may leave: known parts alone, without secrets and emails, with ids to find its log lines by."""
    record: logging.LogRecord = hint["log_record"]
    ids = {"request_id": request_id_var.get(), "run_id": run_id_var.get()}
    span = current_span.get()
    if span is not None:
        ids["trace_id"] = f"{span.trace_id:032x}"
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in _PARTS}
    if "exception" in kept:
        kept["exception"] = {"values": [_without_words(value) for value in kept["exception"]["values"]]}
    for stacktrace in _stacktraces(kept):
        for frame in stacktrace.get("frames", ()):
            frame.pop("vars", None)
    kept |= _without_emails(scrubbed(_said_of(record)))
    kept["tags"] = {name: value for name, value in ids.items() if value is not None}
    if (user := user_id_var.get()) is not None:
        kept["user"] = {"id": user}
    return kept  # type: ignore[return-value]


def _said_of(record: logging.LogRecord) -> dict[str, Any]:
    """Our own sentence and fields; of a library's line where it was logged."""
    fields: dict[str, Any] | None = getattr(record, "fields", None)  # only what goes through structlog has them
    if fields is None:
        return {"logentry": {"formatted": f"logged by {record.name} ({record.module}.{record.funcName})"}}
    return {
        "logentry": {"formatted": record.getMessage()},
        "extra": {name: value for name, value in fields.items() if name in _FIELDS},
    }


def _without_words(exception: dict[str, Any]) -> dict[str, Any]:
    mechanism = exception.get("mechanism") or {}
    kept = {name: exception[name] for name in _EXCEPTION_PARTS if name in exception}
    return kept | {"mechanism": {name: mechanism[name] for name in _MECHANISM_PARTS if name in mechanism}}


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
