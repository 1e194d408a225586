"""The small things that every edge relies on: ids, cursors, errors, rates."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

import eloquent.asgi  # noqa: F401 - everything is loaded, and every error class with it
from eloquent.foundation import cursors, rates
from eloquent.foundation.clock import now
from eloquent.foundation.errors import EloquentError, InvalidInput, NotFound, Throttled, problem
from eloquent.foundation.ids import parse_id
from eloquent.foundation.rates import TokenBucket


@given(st.text())
def test_an_id_is_24_hex_digits_or_invalid(text: str) -> None:
    try:
        assert str(parse_id(text)) == text
    except InvalidInput:
        assert not ObjectId.is_valid(text) or text != text.lower()


def test_an_id_is_read_back() -> None:
    made = ObjectId()
    assert parse_id(str(made)) == made


@pytest.mark.parametrize("text", ["", "x" * 24, "A" * 24, "0" * 23, "0" * 25, "٠" * 24, "0" * 24 + "\n"])
def test_what_looks_like_an_id_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_id(text)


@given(st.lists(st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20), max_size=4))
def test_a_cursor_is_read_back_and_fits_a_url(position: list[object]) -> None:
    cursor = cursors.encode(position)
    assert cursor.replace("-", "").replace("_", "").isalnum() or not cursor
    assert cursors.decode(cursor) == position


@given(st.text())
def test_no_text_breaks_the_reading_of_a_cursor(text: str) -> None:
    try:
        position = cursors.decode(text)
    except InvalidInput:
        return
    assert cursors.decode(cursors.encode(position)) == position


def test_a_problem_has_the_fields_of_its_standard_and_ours() -> None:
    assert problem(NotFound("No such run."), "r1") == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "No such run.",
        "request_id": "r1",
    }


def test_waiting_is_told_in_the_body_and_in_the_header() -> None:
    error = Throttled(retry_after_s=0.2)
    assert error.headers == {"Retry-After": "1"}
    assert problem(error, None)["retry_after_s"] == 0.2


def test_every_error_has_a_code_a_status_and_a_sentence_of_its_own() -> None:
    def below(kind: type[EloquentError]) -> list[type[EloquentError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]

    kinds = [kind for kind in below(EloquentError) if not kind.__module__.startswith("tests.")]
    assert len(kinds) > 20
    assert all(400 <= kind.status < 600 for kind in kinds)
    codes = [(kind.code, kind.status) for kind in kinds if "code" in vars(kind)]
    assert len(codes) == len(dict(codes)), "one code, one status"


def test_a_bucket_lets_through_what_it_holds_and_then_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"s": 0.0}
    monkeypatch.setattr(rates, "monotonic", lambda: clock["s"])
    bucket = TokenBucket(per_s=2, at_once=3)
    assert [bucket.wait_s() for _ in range(4)] == [0, 0, 0, 0.5]
    clock["s"] = 0.5
    assert bucket.wait_s() == 0
    clock["s"] = 100
    assert [bucket.wait_s() for _ in range(4)] == [0, 0, 0, 0.5]


def test_the_time_is_utc_to_the_millisecond() -> None:
    time = now()
    assert time.tzinfo is UTC
    assert time.microsecond % 1000 == 0
    assert abs((datetime.now(UTC) - time).total_seconds()) < 60
