"""Each connection goes down its road."""

from typing import Any

import httpx
import pytest

from eloquent.roads import on_request_road


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/api/v1/me", "", True),
        ("/api", "", True),
        ("/v1/models", "", True),
        ("/.well-known/jwks.json", "", True),
        ("/healthz", "", True),
        ("/readyz", "", True),
        ("/", "", False),
        ("", "", False),
        ("/admin/api/", "", False),
        ("/apiary", "", False),
        ("/static/api/x.js", "", False),
        ("//api/v1/me", "", False),
        ("/below/api/v1/me", "/below", True),
        ("/below/admin/", "/below", False),
    ],
)
def test_the_first_segment_of_the_path_decides(path: str, root_path: str, expected: bool) -> None:
    assert on_request_road({"path": path, "root_path": root_path}) is expected


async def test_the_api_answers_with_problems_and_the_desk_with_pages(server: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        api = await client.get("/api/v1/nowhere")
        page = await client.get("/nowhere")
        admin = await client.get("/admin/")
    assert (api.status_code, api.headers["content-type"]) == (404, "application/problem+json")
    assert api.json()["request_id"] == api.headers["x-request-id"]
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (admin.status_code, admin.headers["location"]) == (302, "/admin/login/?next=/admin/")
    for response in (api, page, admin):
        assert response.headers["x-frame-options"] == "DENY"
        assert len(response.headers["x-request-id"]) == 32


async def connected(path: str) -> list[dict[str, Any]]:
    from eloquent.asgi import application

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application({"type": "websocket", "path": path, "headers": [], "subprotocols": []}, receive, send)
    return sent


@pytest.mark.parametrize("path", ["/ws/other", "/", "/ws/chat/more"])
async def test_a_socket_to_nowhere_is_closed(path: str) -> None:
    assert await connected(path) == [{"type": "websocket.close", "code": 4404}]


async def test_a_connection_of_another_kind_is_refused() -> None:
    from eloquent.asgi import application

    async def never(*_: Any) -> Any:
        raise AssertionError

    with pytest.raises(ValueError, match="no road for a connection of type smtp"):
        await application({"type": "smtp"}, never, never)
