"""What every response carries, on both roads."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import Client as DjangoClient
from django.test import override_settings

from eloquent import middleware
from tests.front_door.exchange import Client, exchange

ORIGIN = "https://chat.example"
MakeRoads = Callable[..., tuple[Any, Any]]


@pytest.fixture
def roads(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRoads]:
    """(request road, desk road) over the test's views, for a configuration."""
    with override_settings(
        ROOT_URLCONF="tests.front_door.views",
        MIDDLEWARE=["eloquent.middleware.DeskRoadMiddleware"],
        REQUEST_ROAD_MIDDLEWARE=["eloquent.middleware.request_road"],
    ):

        def make(*, strict: bool = False, allowed_origins: tuple[str, ...] = (ORIGIN,)) -> tuple[Any, Any]:
            config = SimpleNamespace(strict=strict, allowed_origins=allowed_origins)
            monkeypatch.setattr(middleware, "get_config", lambda: config)
            from eloquent.handlers import AsyncHandler

            return AsyncHandler(exception_response=middleware.problem_response), ASGIHandler()

        yield make


@pytest.fixture
def request_road(roads: MakeRoads) -> Any:
    return roads()[0]


@pytest.fixture(params=["request road", "desk road"])
def road(request: pytest.FixtureRequest, roads: MakeRoads) -> Any:
    return roads()[0 if request.param == "request road" else 1]


async def test_each_response_has_a_request_id_of_its_own(road: Any) -> None:
    first, second = [await exchange(road, "GET", "/api/mirror") for _ in range(2)]
    assert re.fullmatch("[0-9a-f]{32}", first.header("X-Request-ID") or "")
    assert first.header("X-Request-ID") != second.header("X-Request-ID")


async def test_a_harmless_request_id_is_kept(road: Any) -> None:
    answer = await exchange(road, "GET", "/api/mirror", [("X-Request-ID", "Root=1-67.abc:9_z")])
    assert answer.header("X-Request-ID") != "Root=1-67.abc:9_z"  # '=' is not among the safe characters
    answer = await exchange(road, "GET", "/api/mirror", [("X-Request-ID", "1-67.abc:9_z")])
    assert answer.header("X-Request-ID") == "1-67.abc:9_z"


@pytest.mark.parametrize("bad", ["", "a" * 65, "a b", 'a"b', "é", "a\x7f"])
async def test_a_request_id_that_may_do_harm_is_replaced(road: Any, bad: str) -> None:
    answer = await exchange(road, "GET", "/api/mirror", [("X-Request-ID", bad)])
    assert re.fullmatch("[0-9a-f]{32}", answer.header("X-Request-ID") or "")


@pytest.mark.parametrize("target", ["/api/mirror", "/api/nowhere", "/api/refusal/bug", "/api/stream"])
async def test_security_headers_are_on_every_response(road: Any, target: str) -> None:
    answer = await exchange(road, "GET", target)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
    assert "microphone=()" in (answer.header("Permissions-Policy") or "")
    assert (answer.header("Content-Security-Policy") or "").startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Server") is None
    assert answer.header("Strict-Transport-Security") is None


@pytest.mark.parametrize("index", [0, 1], ids=["request road", "desk road"])
async def test_strict_places_insist_on_https(roads: MakeRoads, index: int) -> None:
    answer = await exchange(roads(strict=True)[index], "GET", "/api/mirror")
    assert answer.header("Strict-Transport-Security") == "max-age=31536000; includeSubDomains; preload"


def test_the_desk_road_has_them_in_sync_mode_too(roads: MakeRoads) -> None:
    roads()
    response = DjangoClient().get("/api/mirror")
    assert response["X-Frame-Options"] == "DENY"
    assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


async def test_answers_of_the_request_road_are_not_stored(request_road: Any) -> None:
    assert (await exchange(request_road, "GET", "/api/mirror")).header("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/api/nowhere", 404, "not_found"),
        ("/api/refusal/missing", 404, "not_found"),
        ("/api/refusal/denied", 403, "forbidden"),
        ("/api/refusal/bad", 400, "bad_request"),
        ("/api/refusal/suspicious", 400, "bad_request"),
        ("/api/refusal/multipart", 400, "bad_request"),
        ("/api/refusal/too-big", 413, "too_large"),
        ("/api/refusal/bug", 500, "error"),
        ("/api/ninja/broken", 500, "error"),
        ("/api/nothing", 500, "error"),
    ],
)
async def test_whatever_goes_wrong_is_a_problem_with_the_request_id(
    request_road: Any, target: str, status: int, code: str
) -> None:
    answer = await exchange(request_road, "GET", target)
    problem = json.loads(answer.body)
    assert answer.header("Content-Type") == "application/problem+json"
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["request_id"] == answer.header("X-Request-ID")
    assert "secret" not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()


async def test_a_bug_is_logged_with_its_traceback(request_road: Any, caplog: pytest.LogCaptureFixture) -> None:
    await exchange(request_road, "GET", "/api/refusal/bug")
    assert "ZeroDivisionError: a bug with a secret in it" in caplog.text
    caplog.clear()
    await exchange(request_road, "GET", "/api/refusal/denied")
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_an_allowed_origin_may_read_the_answer(request_road: Any) -> None:
    answer = await exchange(request_road, "GET", "/api/mirror", [("Origin", ORIGIN)])
    assert answer.header("Access-Control-Allow-Origin") == ORIGIN
    assert answer.header("Access-Control-Allow-Credentials") == "true"
    exposed = answer.header("Access-Control-Expose-Headers") or ""
    wanted = {"content-disposition", "x-request-id", "x-run-id", "x-vercel-ai-ui-message-stream", "retry-after"}
    assert wanted <= set(exposed.split(", "))
    assert answer.header("Vary") == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", ORIGIN + ".evil.example", "null", ""])
async def test_another_origin_may_not(request_road: Any, origin: str) -> None:
    for method, headers in (("GET", []), ("OPTIONS", [("Access-Control-Request-Method", "POST")])):
        answer = await exchange(request_road, method, "/api/mirror", [("Origin", origin), *headers])
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert answer.header("Vary") == "Origin"


async def test_a_failure_can_be_read_by_an_allowed_origin(request_road: Any) -> None:
    for target in ("/api/refusal/bug", "/api/nowhere"):
        answer = await exchange(request_road, "GET", target, [("Origin", ORIGIN)])
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN


async def test_a_preflight_is_answered_without_a_view(request_road: Any, happened: Any) -> None:
    question = [("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]
    answer = await exchange(request_road, "OPTIONS", "/api/waiting", question)
    assert (answer.status, answer.body) == (204, b"")
    assert "POST" in (answer.header("Access-Control-Allow-Methods") or "")
    allowed = answer.header("Access-Control-Allow-Headers") or ""
    assert {"authorization", "content-type", "idempotency-key", "last-event-id", "x-ai-sdk-version"} <= set(
        allowed.split(", ")
    )
    assert answer.header("Access-Control-Allow-Origin") == ORIGIN
    assert happened.empty()


async def test_an_options_request_that_is_no_preflight_reaches_the_view(request_road: Any) -> None:
    answer = await exchange(request_road, "OPTIONS", "/api/mirror", [("Origin", ORIGIN)])
    assert (answer.status, json.loads(answer.body)["method"]) == (200, "OPTIONS")


async def test_a_request_leaves_one_line(road: Any, lines: list[dict[str, Any]]) -> None:
    answer = await exchange(road, "GET", "/api/things/lamp/parts/7")
    assert len(lines) == 1
    line = lines[0]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["route"] == "/api/things/<slug:thing>/parts/<int:part>"
    assert line["bytes"] == len(answer.body)
    assert line["ms"] >= 0
    assert line["request_id"] == answer.header("X-Request-ID")


async def test_a_path_that_leads_nowhere_is_named(road: Any, lines: list[dict[str, Any]]) -> None:
    await exchange(road, "GET", "/api/" + "x" * 500)
    assert (lines[0]["status"], lines[0]["route"], len(lines[0]["path"])) == (404, None, 200)


async def test_health_checks_leave_no_line(request_road: Any, lines: list[dict[str, Any]]) -> None:
    await exchange(request_road, "GET", "/healthz")
    assert lines == []


async def test_a_stream_leaves_its_line_when_it_has_ended(road: Any, lines: list[dict[str, Any]]) -> None:
    while_open: list[int] = []
    answer = await exchange(road, "GET", "/api/stream", on_body=lambda _: while_open.append(len(lines)))
    assert while_open == [0] * len(while_open)
    assert len(while_open) == 2
    assert len(lines) == 1
    assert (lines[0]["stream"], lines[0]["status"]) == (True, 200)
    assert lines[0]["request_id"] == answer.header("X-Request-ID")


async def test_a_client_that_left_before_its_answer_leaves_a_line(
    road: Any, lines: list[dict[str, Any]], happened: Any
) -> None:
    from tests.front_door.exchange import scope_of

    client = Client([b""])
    serving = asyncio.create_task(road(scope_of("GET", "/api/waiting"), client.receive, client.send))
    assert await asyncio.to_thread(happened.get, timeout=10) == "waiting"
    client.leave()
    await serving
    assert [(line["status"], line["route"]) for line in lines] == [(499, "/api/waiting")]
