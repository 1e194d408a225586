"""Reports of crashes: only what nobody foresaw, and nothing in them that a person wrote or could sign in with."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from bson import ObjectId
from django.core.exceptions import DisallowedHost

from eloquent.foundation.errors import EloquentError, Unavailable
from eloquent.foundation.logs import request_id_var, run_id_var, user_id_var
from eloquent.foundation.telemetry.crash_reports import CrashReports
from tests.fakes.sentry import FakeSentry

PLANTED = "hunter2-hunter2-hunter2"
EMAIL = "ann.other@example.org"

LOGGER = "eloquent.tests.crash"

log = structlog.get_logger(LOGGER)


@pytest.fixture
def sentry() -> Iterator[FakeSentry]:
    with FakeSentry() as fake:
        reports = CrashReports(fake.dsn, environment="test", release="eloquent@1.2.3")
        yield fake
        reports.close()


def crash(told: str) -> None:
    secret_local = f"local {PLANTED}"
    raise RuntimeError(f"{told} {len(secret_local)}")


def of_logger(sentry: FakeSentry, name: str = LOGGER) -> list[dict[str, Any]]:
    """The reports of this logger: the root's handler hears whatever else goes on in this process."""
    return [event for event in sentry.events if event["logger"] == name]


def reported(sentry: FakeSentry, told: str = "broke", **fields: Any) -> dict[str, Any]:
    try:
        crash(told)
    except RuntimeError as error:
        log.exception("something broke", exc_info=error, **fields)
    sentry.until(lambda: of_logger(sentry))
    return of_logger(sentry)[-1]


def reported_by_a_library(sentry: FakeSentry, name: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    logging.getLogger(name).error(*arguments, **options)
    sentry.until(lambda: of_logger(sentry, name))
    [event] = of_logger(sentry, name)
    return event


def test_a_report_says_what_broke_where_and_in_which_release(sentry: FakeSentry) -> None:
    event = reported(sentry)
    [error] = event["exception"]["values"]
    assert error["type"] == "RuntimeError"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "crash"
    assert (event["release"], event["environment"]) == ("eloquent@1.2.3", "test")
    assert event["logentry"]["formatted"] == "something broke"


def test_a_report_names_the_request_the_run_and_the_user_by_their_ids(sentry: FakeSentry) -> None:
    user, run = str(ObjectId()), str(ObjectId())
    tokens = [(request_id_var, request_id_var.set("abc")), (run_id_var, run_id_var.set(run))]
    tokens.append((user_id_var, user_id_var.set(user)))
    event = reported(sentry)
    for variable, token in tokens:
        variable.reset(token)
    assert event["user"] == {"id": user}
    assert event["tags"] == {"request_id": "abc", "run_id": run}


def test_planted_secrets_and_emails_are_not_in_a_byte_of_it(sentry: FakeSentry) -> None:
    reported(
        sentry,
        f"mongodb://app:{PLANTED}@db/ refused {EMAIL}: Authorization: Bearer {PLANTED} Cookie: a={PLANTED}",
        headers={"authorization": f"Bearer {PLANTED}", "cookie": f"session={PLANTED}"},
        password=PLANTED,
        nested=[{"api_key": PLANTED, "who": [EMAIL]}],
        sentence=f"refresh_token={PLANTED}&x=1 for {EMAIL}",
    )
    assert b"something broke" in sentry.bytes
    assert PLANTED.encode() not in sentry.bytes
    assert EMAIL.encode() not in sentry.bytes


def test_the_words_of_an_exception_stay_in_the_log(sentry: FakeSentry) -> None:
    try:
        try:
            {}[PLANTED]
        except KeyError as error:
            error.add_note(f"a note on {PLANTED}")
            raise ExceptionGroup(f"with {PLANTED}", [ValueError(PLANTED), OSError(2, PLANTED)]) from error
    except ExceptionGroup as error:
        log.exception("something broke", exc_info=error, run_id="0" * 24, words=PLANTED)
    sentry.until(lambda: of_logger(sentry))
    [event] = of_logger(sentry)
    types = {value["type"] for value in event["exception"]["values"]}
    assert types == {"KeyError", "ExceptionGroup", "ValueError", "FileNotFoundError"}
    assert event["extra"] == {"run_id": "0" * 24}
    assert PLANTED.encode() not in sentry.bytes


def test_a_librarys_line_stays_in_the_log(sentry: FakeSentry) -> None:
    with_arguments = reported_by_a_library(sentry, "a.library", "cannot read %s", PLANTED, extra={"request": PLANTED})
    assert "logged by a.library" in with_arguments["logentry"]["formatted"]
    reported_by_a_library(sentry, "another.library", f"never retrieved: KeyError({PLANTED!r})")
    assert PLANTED.encode() not in sentry.bytes


def test_what_django_refuses_and_what_a_view_meant_is_not_reported(sentry: FakeSentry) -> None:
    refusal = DisallowedHost("Invalid HTTP_HOST header")
    logging.getLogger("django.security.DisallowedHost").error(str(refusal), exc_info=refusal)
    logging.getLogger("django.request").error("%s: %s", "Service Unavailable", "/there/")
    reported_by_a_library(sentry, "django.securityguard", "another's logger that only begins alike")
    reported(sentry)
    assert {event["logger"] for event in sentry.events} & {"django.security.DisallowedHost", "django.request"} == set()


def test_a_report_has_no_local_variables_no_source_and_no_request(sentry: FakeSentry) -> None:
    event = reported(sentry)
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert all(not {"vars", "context_line", "pre_context"} & frame.keys() for frame in frames)
    assert not {"request", "breadcrumbs", "server_name", "modules", "contexts"} & event.keys()


@pytest.mark.parametrize("error", [Unavailable(retry_after_s=2)])
def test_what_was_foreseen_is_not_reported(sentry: FakeSentry, error: EloquentError) -> None:
    try:
        raise error
    except EloquentError as raised:
        log.error("request failed", exc_info=raised)  # noqa: TRY400 - so it is logged there
    log.warning("this is only a warning", exc_info=ValueError("x"))
    log.info("and this is nothing")
    assert [event["logentry"]["formatted"] for event in [reported(sentry)]] == ["something broke"]
    assert len(of_logger(sentry)) == 1


def test_nothing_is_reported_after_the_end() -> None:
    with FakeSentry() as fake:
        reports = CrashReports(fake.dsn, environment="test", release="")
        reports.close()
        logging.getLogger(LOGGER).error("late")
        assert fake.events == []
