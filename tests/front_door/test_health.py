"""Alive and ready, as a balancer asks."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from eloquent import health
from eloquent.foundation import lifecycle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health._Migrations, "applied", False)
    yield
    lifecycle.open_for_work()


async def asked(server: str, path: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        response = await client.get(path)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


def by_name(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in answer["checks"]}


async def test_a_process_with_all_it_needs_is_ready(server: str) -> None:
    status, answer = await asked(server, "/readyz")
    assert (status, answer["status"]) == (200, "ok")
    checks = by_name(answer)
    assert set(checks) == {"accepting", "mongodb", "migrations", "redis"}
    assert all(check["ok"] and check["ms"] >= 0 for check in checks.values())


async def test_a_draining_process_is_alive_and_not_ready(server: str) -> None:
    lifecycle.start_draining()
    status, answer = await asked(server, "/readyz")
    assert (status, answer["status"]) == (503, "unavailable")
    failed = [check["name"] for check in answer["checks"] if not check["ok"]]
    assert failed == ["accepting"]
    assert await asked(server, "/healthz") == (200, {"status": "ok", "checks": []})


async def test_a_failed_check_names_no_address(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise ConnectionError("mongodb://user:hunter2@db.internal:27017 refused")

    monkeypatch.setattr(health, "ping_database", fails)
    status, answer = await asked(server, "/readyz")
    assert status == 503
    assert by_name(answer)["mongodb"]["detail"] == "Failed: ConnectionError."
    assert "hunter2" not in json.dumps(answer)
    assert "db.internal" not in json.dumps(answer)
    assert by_name(answer)["redis"]["ok"]


async def test_checks_that_hang_are_given_up_together(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(health, "ping_database", hangs)
    monkeypatch.setattr(health, "_redis_answers", hangs)
    status, answer = await asked(server, "/readyz")
    assert status == 503
    checks = by_name(answer)
    assert checks["mongodb"]["detail"] == checks["redis"]["detail"] == "No answer within 0.1 s."
    assert checks["accepting"]["ok"]


async def test_a_missing_migration_is_named_in_the_log_and_nowhere_else(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "_newest_migrations", lambda: [("chat", "9999_from_tomorrow")])
    status, answer = await asked(server, "/readyz")
    assert status == 503
    assert by_name(answer)["migrations"]["detail"] == "Not all are applied: `manage.py migrate`."
    assert "9999" not in json.dumps(answer)
    [fields] = [record.fields for record in caplog.records if record.getMessage() == "migrations are not applied"]  # type: ignore[attr-defined]
    assert fields == {"missing": ["chat.9999_from_tomorrow"]}


async def test_migrations_are_compared_until_they_are_applied_and_then_no_more(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for = []
    newest = health._newest_migrations
    monkeypatch.setattr(health, "_newest_migrations", lambda: asked_for.append(1) or newest())
    for _ in range(3):
        assert (await asked(server, "/readyz"))[0] == 200
    assert asked_for == [1]


async def test_without_redis_it_is_not_asked_for(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "redis_client", lambda: None)
    assert "redis" not in by_name((await asked(server, "/readyz"))[1])
