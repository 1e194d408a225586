"""Log lines: one each, readable by machines, without secrets."""

import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation.logs import (
    MASK,
    ConsoleLines,
    JsonLines,
    configure_logging,
    request_id_var,
    scrubbed,
    scrubbed_text,
)


def record(message: str, *args: Any, exc_info: Any = None, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("some.logger", logging.WARNING, "file.py", 1, message, args, exc_info)
    made.fields = fields
    return made


def line_of(*args: Any, **fields: Any) -> dict[str, Any]:
    text = JsonLines().format(record(*args, **fields))
    assert "\n" not in text
    return json.loads(text)


def test_a_line_has_time_level_logger_event_and_request_id() -> None:
    token = request_id_var.set("abc")
    line = line_of("hello %s", "you", status=200)
    request_id_var.reset(token)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "some.logger",
        "event": "hello you",
        "request_id": "abc",
        "status": 200,
    }


def test_a_field_cannot_pretend_to_be_part_of_the_frame() -> None:
    token = request_id_var.set("real")
    line = line_of("real", event="forged", level="info", request_id="forged")
    request_id_var.reset(token)
    assert (line["event"], line["level"], line["request_id"]) == ("real", "warning", "real")


def test_an_exception_is_one_field() -> None:
    try:
        raise ValueError("mongodb://user:hunter2@db/ is away")
    except ValueError:
        line = line_of("failed", exc_info=sys.exc_info())
    assert "Traceback (most recent call last)" in line["exception"]
    assert "hunter2" not in line["exception"]


SECRETS = [
    "mongodb://user:hunter2@db.example/x",
    "redis://:hunter2@cache:6379 is away",
    "Authorization: Bearer hunter2hunter2",
    "headers: {'authorization': 'Basic aHVudGVyMg=='}".replace("aHVudGVyMg==", "hunter2hunter2"),
    'body {"password": "hunter2", "email": "a@b.c"}',
    "refresh_token=hunter2&x=1",
    "{'ticket': 'hunter2'}",
    "subprotocol ticket.hunter2hunter2hunter2",
    "Cookie: a=hunter2; b=hunter2",
    "set-cookie: eloquent_refresh=hunter2; Path=/",
    "new_password='hunter2'",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_in_text_is_masked(text: str) -> None:
    assert "hunter2" not in scrubbed_text(text)
    assert MASK in scrubbed_text(text)
    assert "hunter2" not in JsonLines().format(record("%s", text))
    assert "hunter2" not in JsonLines().format(record("event", detail={"deep": [text]}))
    assert "hunter2" not in ConsoleLines().format(record("event", detail=text))


def test_an_access_token_is_masked_wherever_it_stands() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
    assert scrubbed_text(f"got {token} from you") == f"got {MASK} from you"


def test_an_api_key_is_masked_wherever_it_stands_up_to_how_it_begins() -> None:
    key = f"sk-eloquent-{'0123abcd' * 8}"
    assert scrubbed_text(f"got {key}, from you") == f"got sk-eloquent-0123abcd{MASK}, from you"
    assert scrubbed_text("GET /v1/models?key=sk-proj-Abc_123-xyz") == f"GET /v1/models?key=sk-{MASK}"
    assert scrubbed_text(key[:20]) == key[:20]


@pytest.mark.parametrize("name", ["password", "Authorization", "refresh_token", "ticket", "Cookie", "token"])
def test_a_field_with_a_telling_name_is_masked(name: str) -> None:
    assert scrubbed({name: "hunter2", "other": {name: ["hunter2"]}}) == {name: MASK, "other": {name: MASK}}


def test_harmless_text_stays_as_it_is() -> None:
    text = "GET /api/v1/auth/socket-ticket 201, 15 tokens, https://example.com/a?b=c, accounts/tickets.py line 3"
    assert scrubbed_text(text) == text


VALUES = st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=4)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_whatever_is_logged_is_one_line_of_json(fields: dict[str, Any]) -> None:
    assert line_of("event", **{f"f{name}": value for name, value in fields.items()})["event"] == "event"


def test_nobody_writes_lines_of_their_own_for_a_developers_eyes() -> None:
    shown = ConsoleLines().format(record("%s", "a\nb", path="/x\n03:00:00 critical\x1b[2J\u2028\r", exc_info=None))
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown
    assert "é 東" in ConsoleLines().format(record("é 東"))


def test_lone_surrogates_do_not_cost_the_line() -> None:
    assert line_of("bad \ud800", field="\udfff")["event"] == "bad \ud800"


def test_library_loggers_write_through_ours_once() -> None:
    config: Any = SimpleNamespace(log_format="json", log_level="INFO")
    loggers = configure_logging(config)["loggers"]
    assert all(loggers[name]["handlers"] == [] for name in ("django", "uvicorn", "uvicorn.error", "uvicorn.access"))
    assert loggers["uvicorn.access"]["propagate"] is False
