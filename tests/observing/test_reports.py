"""What Sentry is told when a request meets a fault of ours, and that it is told nothing of what was foreseen."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx
import pytest
from django.contrib.admin import site

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


def broken_at_once(error: Exception) -> Any:
    def breaks(*_arguments: Any, **_options: Any) -> NoReturn:
        raise error

    return breaks


async def reports_of(sentry: FakeSentry, request_id: str) -> list[dict[str, Any]]:
    """What came of one request, once something has: other tasks of this process may be reported meanwhile."""

    def found() -> list[dict[str, Any]]:
        return [event for event in sentry.events if event["tags"].get("request_id") == request_id]

    await asyncio.to_thread(sentry.until, found)
    return found()


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
        [event] = await reports_of(sentry, "the-one-that-broke")
        assert event["user"] == {"id": me}
        assert event["tags"] == {"request_id": "the-one-that-broke"}
        assert event["exception"]["values"][0]["type"] == "RuntimeError"
        assert event["logentry"]["formatted"] == "unexpected failure"
        for secret in (PLANTED, ann.email, ann.tokens["access_token"], ann.tokens["refresh_token"], PASSWORD):
            assert secret.encode() not in sentry.bytes


async def test_a_failure_that_was_foreseen_is_not_reported(
    server: str, sentry: FakeSentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"X-Request-ID": "all-of-them"}
    async with Person(server, "ann") as ann:
        with monkeypatch.context() as patch:
            patch.setattr(conversations, "conversations_of", broken(Unavailable(retry_after_s=2)))
            assert (await ann.http.get("/conversations", headers=headers)).status_code == 503
        assert (await ann.http.get("/runs/" + "0" * 24, headers=headers)).status_code == 404
        monkeypatch.setattr(conversations, "conversations_of", broken(ValueError("the only one")))
        assert (await ann.http.get("/conversations", headers=headers)).status_code == 500
        events = await reports_of(sentry, headers["X-Request-ID"])
    assert [event["exception"]["values"][-1]["type"] for event in events] == ["ValueError"]


async def test_a_fault_of_the_desk_road_is_reported_without_its_address(
    server: str, sentry: FakeSentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(site), "each_context", broken_at_once(KeyError(PLANTED)))
    headers = {"X-Request-ID": "the-desk-broke"}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        answer = await client.get("/admin/login/", params={"q": PLANTED}, headers=headers)
    assert answer.status_code == 500
    [event] = await reports_of(sentry, "the-desk-broke")
    assert event["logger"] == "django.request"
    assert event["exception"]["values"][-1]["type"] == "KeyError"
    assert PLANTED.encode() not in sentry.bytes


async def test_a_strangers_wrong_host_is_not_reported(server: str, sentry: FakeSentry) -> None:
    headers = {"X-Request-ID": "the-wrong-host", "Host": "elsewhere.example"}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        assert (await client.get("/admin/login/", headers=headers)).status_code == 400
    logging.getLogger("eloquent.tests.reports").error("heard")
    await asyncio.to_thread(sentry.until, lambda: sentry.events)
    assert [event["logger"] for event in sentry.events if event["logger"].startswith("django.")] == []
