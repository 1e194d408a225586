"""Logs: one line per event on stderr, as JSON (or for a developer's eyes), each with the request's id, never a secret.

Our code logs through structlog, libraries through `logging`; both end in the same handler and formatter. A line has
`time` (UTC, ISO 8601), `level`, `logger`, `event`, `request_id` (of the request, or of a socket's connection; else
null), the fields given with the event, and `exception` (the traceback, in one string) where there is one. Where they
are known it has `trace_id` and `span_id` (32 and 16 hexadecimal digits, as W3C and X-Ray write them), `user` and
`run_id`, too.
"""

import json
import logging
import re
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson
import structlog

from eloquent.foundation.config import Config
from eloquent.foundation.masking import mask_uri
from eloquent.foundation.telemetry.spans import current_span

# Set by eloquent.middleware for the time of a request, and by chat.sockets for that of a connection; a task that is
# started there inherits it, unless it works for everybody.
request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)
# Set by whoever finds out; inherited likewise.
user_id_var: ContextVar[str | None] = ContextVar("user_id", default=None)
run_id_var: ContextVar[str | None] = ContextVar("run_id", default=None)

MASK: Final = "********"

_SECRET_FIELDS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "set-cookie",
        "set_cookie",
        "password",
        "new_password",
        "current_password",
        "refresh_token",
        "access_token",
        "token",
        "ticket",
        "secret",
        "secret_key",
        "api_key",
        "private_key",
        "jwt_private_key",
    }
)
# Nearly every line has none of these: one cheap search keeps the substitutions below away from them.
_SUSPECT: Final = re.compile(
    r"://|bearer|basic |passw|token|ticket|cookie|authoriz|secret|api_key|eyJ|sk-", re.IGNORECASE
)
_SHORT: Final = 64
_SECRETS_IN_TEXT: Final = (
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), MASK),
    # API keys, ours and vendors'. How ours begins is shown to its owner, and tells which one it was.
    (re.compile(r"\b(sk-eloquent-[0-9a-f]{8})[0-9a-f]+"), rf"\1{MASK}"),
    (re.compile(r"\bsk-(?!eloquent-)[\w-]{12,}"), f"sk-{MASK}"),
    # The ticket as it is offered in a websocket's subprotocols.
    (re.compile(r"\bticket\.[\w-]{16,}"), f"ticket.{MASK}"),
    # Whole header values: a cookie's has semicolons in it.
    (
        re.compile(r"""(\b(?:set-)?cookie|\bauthorization)(["']?\s*[:=]\s*["']?)[^"'\r\n]+""", re.IGNORECASE),
        rf"\1\2{MASK}",
    ),
    (
        re.compile(
            r"""(\b\w*(?:password|refresh_token|access_token|ticket|secret|secret_key|api_key)["']?\s*[:=]\s*)"""
            r"""("[^"]*"|'[^']*'|[^\s,;&})\]"']+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)

# Loggers of libraries that say more than anyone reads, with the level from which they are heard.
_QUIETER: Final = {
    "asyncio": "WARNING",
    "aiohttp": "WARNING",
    # These write whole requests at DEBUG: what people asked.
    "aiobotocore": "WARNING",
    "botocore": "WARNING",
    "httpcore": "WARNING",
    "httpx": "WARNING",
    "httpx2": "WARNING",
    "httpcore2": "WARNING",
    # Below that it writes down whole messages and the ids of sessions.
    "mcp": "WARNING",
    "pymongo": "WARNING",
    # What becomes of traces and reports is said once, by `eloquent.foundation.telemetry`, and not for each batch.
    "opentelemetry": "CRITICAL",
    "sentry_sdk": "CRITICAL",
    "urllib3": "ERROR",
    # Django warns of each 4xx; the access line says it already.
    "django.request": "ERROR",
    "django.utils.autoreload": "WARNING",
}


def request_id_of() -> str | None:
    """The id of the request that is being served here; None outside a request."""
    return request_id_var.get()


def configure_logging(config: Config) -> dict[str, Any]:
    """Django's LOGGING for this configuration; structlog is set up at once."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _as_record_arguments,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = JsonLines if config.log_format == "json" else ConsoleLines
    passed_on: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
        },
        "root": {"handlers": ["stderr"], "level": config.log_level},
        "loggers": {
            # Django and uvicorn bring handlers of their own: taken away, so that a line is written once.
            **{name: dict(passed_on) for name in ("django", "django.server", "uvicorn", "uvicorn.error")},
            # Without a handler in reach uvicorn does not even format its access lines: ours come from the middleware.
            "uvicorn.access": {"handlers": [], "propagate": False},
            **{name: {"level": level} for name, level in _QUIETER.items()},
        },
    }


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": scrubbed_text(record.getMessage()),
            "request_id": request_id_var.get(),
        } | _ids()
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        if exception := self._exception(record):
            line["exception"] = exception
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:
            # A lone surrogate, an integer of more than 64 bits: it must not cost us the line that reports it.
            return json.dumps({k: v if isinstance(v, str) else ascii(v) for k, v in line.items()})

    def _exception(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return scrubbed_text("\n".join(parts))


class ConsoleLines(JsonLines):
    """A record for a developer's eyes: short time, level, event, fields; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback if there is one."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = {**_fields(record), "request_id": request_id_var.get()} | _ids()
        words = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        line = f"{time} {record.levelname.lower():<7} {scrubbed_text(record.getMessage())}  {words} ({record.name})"
        # What somebody sent (a path, say) must not begin a line of its own, nor talk to the terminal.
        line = line if line.isprintable() else "".join(map(_visible, line))
        exception = self._exception(record)
        return f"{line}\n{exception}" if exception else line


def _ids() -> dict[str, str]:
    """Of whatever is known here beside the request."""
    ids = {}
    if (user_id := user_id_var.get()) is not None:
        ids["user"] = user_id
    if (run_id := run_id_var.get()) is not None:
        ids["run_id"] = run_id
    if (span := current_span.get()) is not None:
        ids["trace_id"], ids["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return ids


def _visible(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def scrubbed_text(text: str) -> str:
    """The text without passwords in addresses, bearer tokens, cookies and the like. A safety net, not a licence."""
    # Most are short and come again and again: routes, verbs, whoever asks.
    if _is_harmless(text) if len(text) <= _SHORT else not _SUSPECT.search(text):
        return text
    text = mask_uri(text)
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=8192)
def _is_harmless(text: str) -> bool:
    return not _SUSPECT.search(text)


def scrubbed(value: Any) -> Any:
    """The value without secrets: those that stand under a telling name, and those inside text, at any depth."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return scrubbed_text(value)
    if isinstance(value, Mapping):
        return {
            name: MASK if isinstance(name, str) and name.lower() in _SECRET_FIELDS else scrubbed(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [scrubbed(inner) for inner in value]
    return scrubbed_text(str(value))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return scrubbed(fields) if fields else {}


def _as_record_arguments(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog's event as arguments of `logging`.

    All fields travel in one attribute: one called `name` or `args` would collide with the record's own and raise.
    """
    kept = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    return {"msg": str(event.pop("event")), "extra": {"fields": dict(event)}, **kept}
