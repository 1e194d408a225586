"""What the platform counts in the log is what the application and the collector write there."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
import yaml

from deploy.environments import ENVIRONMENTS
from deploy.parameters import plain_settings
from deploy.watch.patterns import PATTERNS
from deploy.watch.series import COLLECTOR_ERRORS, LOGGED_ERRORS
from eloquent.foundation.config.settings import FIELDS
from eloquent.foundation.logs import configure_logging
from tests.observing.filter_patterns import UnknownSyntax, matches

ADOT = Path(__file__).parents[2] / "deploy" / "collector" / "adot.yaml"
LOGGER = "chat.runs.counted"


def counted(line: str) -> list[str]:
    return [name for name, pattern in PATTERNS.items() if matches(pattern, line)]


@pytest.fixture(params=list(ENVIRONMENTS))
def line_of(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], None]], str]]:
    """What the application writes in an environment when something is logged, as the one line that it is."""
    settings = plain_settings(ENVIRONMENTS[request.param])
    as_set: Any = SimpleNamespace(
        **{name: settings.get(name.upper(), FIELDS[name].default) for name in ("log_format", "log_level")}
    )
    formatter = configure_logging(as_set)["formatters"]["line"]["()"]()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

    def line(log: Callable[[], None]) -> str:
        log()
        (found,) = written.getvalue().splitlines()
        return found

    yield line
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", []), ("info", []), ("warning", []), ("error", [LOGGED_ERRORS]), ("critical", [LOGGED_ERRORS])],
)
@pytest.mark.parametrize("whose", ["ours", "a library's"])
def test_the_applications_errors_are_counted_and_nothing_less(
    line_of: Any, whose: str, level: str, expected: list[str]
) -> None:
    logger = structlog.stdlib.get_logger(LOGGER) if whose == "ours" else logging.getLogger(LOGGER)
    assert counted(line_of(lambda: getattr(logger, level)("an answer broke off"))) == expected


def test_an_error_with_a_traceback_and_a_field_called_level_is_one_of_ours(line_of: Any) -> None:
    def log() -> None:
        try:
            raise ConnectionError("away")
        except ConnectionError:
            structlog.stdlib.get_logger(LOGGER).exception("it broke", level="info")

    assert counted(line_of(log)) == [LOGGED_ERRORS]


def of_collector(level: str) -> str:
    """A line of the collector's, as it is configured: zap's encoders, as its documentation and its users show them.

    https://opentelemetry.io/docs/collector/internal-telemetry/#configure-internal-logs
    """
    logs = yaml.safe_load(ADOT.read_text())["service"]["telemetry"]["logs"]
    caller = {} if logs.get("disable_caller") else {"caller": "internal/queue_sender.go:49"}
    at, message = "2026-11-30T12:45:19.936Z", "Exporting failed. Dropping data."
    fields = {
        "resource": {"service.name": "aws-otel-collector"},
        "otelcol.component.id": "awsxray",
        "otelcol.component.kind": "exporter",
        "otelcol.signal": "traces",
        "error": "Permanent error: AccessDeniedException",
        "dropped_items": 8,
    }
    if logs.get("encoding", "console") == "json":
        return json.dumps({"level": level, "ts": at, **caller, "msg": message, **fields})
    return "\t".join([at, level, *caller.values(), message, json.dumps(fields)])


@pytest.mark.parametrize(
    ("level", "expected"), [("info", []), ("warn", []), ("error", [COLLECTOR_ERRORS]), ("fatal", [COLLECTOR_ERRORS])]
)
def test_the_collectors_errors_are_counted_and_nothing_less(level: str, expected: list[str]) -> None:
    assert counted(of_collector(level)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        '"error"',
        '["error"]',
        '{"level": "error"}',
        '{"level": "error", "logger": null, "caller": 1}',
        '{"level": ["error"], "logger": "chat", "caller": "a.go:1"}',
    ],
)
def test_a_line_of_neither_is_not_counted(line: str) -> None:
    assert counted(line) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "error",
        '{ $.level = "error"',
        '{ ($.level = "error" }',
        '{ $.level = "error" } x',
        '{ $.level != "error" }',
        "{ $.status = 500 }",
        '{ $.level = "err*" }',
        '{ $.error.kind = "x" }',
        "{ $.level IS NULL }",
        '{ $.a = "1" || $.b = "2" && $.c = "3" }',
    ],
)
def test_a_pattern_that_is_not_understood_is_no_pattern_that_matches_nothing(pattern: str) -> None:
    with pytest.raises(UnknownSyntax):
        matches(pattern, "{}")
