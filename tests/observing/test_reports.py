"""What Sentry is told when a request meets a fault of ours, and that it is told nothing of what was foreseen."""

import asyncio
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from chat import conversations
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.telemetry.crash_reports import CrashReports
from tests.fakes.sentry import FakeSentry
from tests.people import PASSWORD, Person

PLANTED = "hunter2-hunter2-hunter2"


@pytest.fixture
def sentry() -> Iterator[FakeSentry]:
    with FakeSentry() as fake:
        reports = CrashReports(fake.dsn, environment="test", release="eloquent@1.2.3")
        yield fake
        reports.close()


def broken(error: Exception) -> Any:
    async def breaks(*_arguments: Any, **_options: Any) -> NoReturn:
        raise error

    return breaks


async def test_a_fault_of_ours_is_reported_with_ids_and_without_the_request(
    server: str, sentry: FakeSentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Person(server, "ann") as ann:
        me = (await ann.ok("GET", "/me"))["id"]
        fault = RuntimeError(f"cannot read password={PLANTED} of {ann.email}")
        monkeypatch.setattr(conversations, "conversations_of", broken(fault))
        headers = {"X-Request-ID": "the-one-that-broke", "Cookie": f"session={PLANTED}"}
        answer = await ann.http.get("/conversations", params={"cursor": PLANTED}, headers=headers)
        assert answer.status_code == 500
        await asyncio.to_thread(sentry.until, lambda: sentry.events)
        [event] = sentry.events
        assert event["user"] == {"id": me}
        assert event["tags"] == {"request_id": "the-one-that-broke"}
        assert event["exception"]["values"][0]["type"] == "RuntimeError"
        assert event["logentry"]["formatted"] == "unexpected failure"
        for secret in (PLANTED, ann.email, ann.tokens["access_token"], ann.tokens["refresh_token"], PASSWORD):
            assert secret.encode() not in sentry.bytes


async def test_a_failure_that_was_foreseen_is_not_reported(
    server: str, sentry: FakeSentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Person(server, "ann") as ann:
        with monkeypatch.context() as patch:
            patch.setattr(conversations, "conversations_of", broken(Unavailable(retry_after_s=2)))
            assert (await ann.http.get("/conversations")).status_code == 503
        assert (await ann.http.get("/runs/" + "0" * 24)).status_code == 404
        monkeypatch.setattr(conversations, "conversations_of", broken(ValueError("the only one")))
        assert (await ann.http.get("/conversations")).status_code == 500
        await asyncio.to_thread(sentry.until, lambda: sentry.events)
    assert [event["exception"]["values"][-1]["value"] for event in sentry.events] == ["the only one"]
