"""The refresh token as a cookie, through the API."""

from http.cookies import Morsel, SimpleCookie
from typing import Any
from uuid import uuid4

import httpx
import pytest

from eloquent.foundation.config import get_config
from tests.accounts.conftest import PASSWORD


def cookie_of(answer: httpx.Response) -> "Morsel[str]":
    """The refresh cookie that the answer sets."""
    return SimpleCookie(answer.headers["set-cookie"])["eloquent_refresh"]


async def registered(http: httpx.AsyncClient, origin: str | None) -> httpx.Response:
    """A registration in cookie mode; the client itself keeps no cookie."""
    answer = await http.post(
        "/api/v1/auth/register",
        json={"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "cookie": True},
        headers={"Origin": origin} if origin else {},
    )
    http.cookies.clear()
    return answer


async def test_a_browser_gets_the_refresh_token_where_scripts_cannot_read_it(
    http: httpx.AsyncClient, server: str
) -> None:
    answer = await registered(http, server)
    assert answer.status_code == 201
    assert "refresh_token" not in answer.json()
    cookie = cookie_of(answer)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/api/v1/auth"
    assert int(cookie["max-age"]) == 30 * 24 * 3600
    assert not cookie["domain"]


async def test_the_cookie_is_exchanged_and_answered_as_a_cookie(http: httpx.AsyncClient, server: str) -> None:
    first = cookie_of(await registered(http, server)).value
    answer = await http.post("/api/v1/auth/refresh", headers={"Origin": server, "Cookie": f"eloquent_refresh={first}"})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    second = cookie_of(answer).value
    assert second != first
    token = answer.json()["access_token"]
    assert (await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:1", "http://["])
async def test_a_foreign_page_cannot_use_the_cookie(http: httpx.AsyncClient, server: str, origin: str | None) -> None:
    cookie = f"eloquent_refresh={cookie_of(await registered(http, server)).value}"
    headers = {"Cookie": cookie, **({"Origin": origin} if origin else {})}
    for path in ("auth/refresh", "auth/logout"):
        answer = await http.post(f"/api/v1/{path}", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["code"] == "foreign_origin"
    assert (await registered(http, origin)).status_code == 403
    answer = await http.post("/api/v1/auth/refresh", headers={"Cookie": cookie, "Origin": server})
    assert answer.status_code == 200


async def test_an_allowed_frontend_may_use_the_cookie(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend = "https://app.example.org"
    config = get_config().model_copy(update={"allowed_origins": (frontend,)})
    assert (await registered(http, frontend)).status_code == 403
    monkeypatch.setattr("accounts.origins.get_config", lambda: config)
    assert (await registered(http, frontend)).status_code == 201


async def test_in_production_the_cookie_travels_over_tls_alone(
    http: httpx.AsyncClient, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cookie_of(await registered(http, server))["secure"]
    config = get_config().model_copy(update={"eloquent_env": "prod"})
    monkeypatch.setattr("accounts.cookies.get_config", lambda: config)
    assert cookie_of(await registered(http, server))["secure"]


async def test_signing_out_with_the_cookie_ends_the_session_and_drops_it(http: httpx.AsyncClient, server: str) -> None:
    answer = await registered(http, server)
    headers = {"Origin": server, "Cookie": f"eloquent_refresh={cookie_of(answer).value}"}
    gone = await http.post("/api/v1/auth/logout", headers=headers)
    assert gone.status_code == 204
    assert cookie_of(gone).value == ""
    assert cookie_of(gone)["path"] == "/api/v1/auth"
    assert (await http.post("/api/v1/auth/refresh", headers=headers)).status_code == 401
    bearer: Any = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await http.get("/api/v1/me", headers=bearer)).status_code == 401
