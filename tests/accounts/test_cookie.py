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


async def test_a_sign_in_ends_the_session_whose_cookie_it_replaces(http: httpx.AsyncClient, server: str) -> None:
    first = await registered(http, server)
    old, owner = cookie_of(first).value, first.json()["user"]["email"]
    with_old = {"Origin": server, "Cookie": f"eloquent_refresh={old}"}
    body = {"email": owner, "password": PASSWORD, "cookie": True}
    wrong = await http.post("/api/v1/auth/login", json={**body, "password": "not the password"}, headers=with_old)
    assert wrong.status_code == 401
    token = {"Authorization": f"Bearer {first.json()['access_token']}"}
    assert (await http.get("/api/v1/me", headers=token)).status_code == 200
    again = await http.post("/api/v1/auth/login", json=body, headers=with_old)
    assert again.status_code == 200
    assert (await http.get("/api/v1/me", headers=token)).status_code == 401
    refused = await http.post("/api/v1/auth/refresh", headers=with_old)
    assert refused.json()["code"] == "refresh_refused"
    fresh = {"Origin": server, "Cookie": f"eloquent_refresh={cookie_of(again).value}"}
    assert (await http.post("/api/v1/auth/refresh", headers=fresh)).status_code == 200


async def test_a_sign_in_with_what_is_no_cookie_of_ours_goes_on(http: httpx.AsyncClient, server: str) -> None:
    first = await registered(http, server)
    body = {"email": first.json()["user"]["email"], "password": PASSWORD, "cookie": True}
    cookie = {"Origin": server, "Cookie": "eloquent_refresh=made-up"}
    assert (await http.post("/api/v1/auth/login", json=body, headers=cookie)).status_code == 200


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
    assert cookie_of(await registered(http, server.replace("http:", "https:")))["secure"]


async def test_signing_out_with_the_cookie_ends_the_session_and_drops_it(http: httpx.AsyncClient, server: str) -> None:
    answer = await registered(http, server)
    headers = {"Origin": server, "Cookie": f"eloquent_refresh={cookie_of(answer).value}"}
    gone = await http.post("/api/v1/auth/logout", headers=headers)
    assert gone.status_code == 204
    assert cookie_of(gone).value == ""
    assert cookie_of(gone)["path"] == "/api/v1/auth"
    assert gone.headers["clear-site-data"] == '"cache"'
    assert (await http.post("/api/v1/auth/refresh", headers=headers)).status_code == 401
    bearer: Any = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await http.get("/api/v1/me", headers=bearer)).status_code == 401


# Attacks


@pytest.fixture
def attacked(http: httpx.AsyncClient, server: str) -> Any:
    """A visitor's browser with its cookie; answers to what a page makes it send."""

    async def visit(**headers: str) -> Any:
        answer = await registered(http, server)
        cookie = f"eloquent_refresh={cookie_of(answer).value}"
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}

        async def send(path: str, method: str = "POST", **options: Any) -> httpx.Response:
            sent = {"Cookie": cookie, "Origin": server} | headers | options.pop("headers", {})
            sent = {name: value for name, value in sent.items() if value}
            got = await http.request(method, f"/api/v1/auth/{path}", headers=sent, **options)
            http.cookies.clear()
            return got

        async def is_signed_in() -> bool:
            me = await http.get("/api/v1/me", headers=bearer)
            return me.status_code == 200

        send.is_signed_in, send.cookie = is_signed_in, cookie  # type: ignore[attr-defined]
        return send

    return visit


def neighbours(server: str) -> dict[str, str]:
    """Origins that look like ours and are not."""
    host = server.removeprefix("http://")
    name, _, port = host.partition(":")
    return {
        "subdomain": f"http://evil.{host}",
        "prefix": f"http://{host}.evil.example",
        "userinfo": f"http://{host}@evil.example",
        "our name as userinfo": f"http://evil@{host}",
        "another port": f"http://{name}:{int(port) + 1}",
        "no port": f"http://{name}",
        "another scheme": f"ftp://{host}",
        "no scheme": host,
        "with a path": f"{server}/",
        "two origins": f"{server} https://evil.example",
        "file": "file://",
        "null": "null",
        "none": "",
    }


async def test_a_page_that_looks_like_ours_is_not_ours(attacked: Any, server: str) -> None:
    for what, origin in neighbours(server).items():
        visit = await attacked(Origin=origin)
        for path in ("refresh", "logout"):
            answer = await visit(path)
            if what == "with a path":  # no browser sends one; host and port are ours
                continue
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), what
        if what != "with a path":
            assert await visit.is_signed_in(), what


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("same-site", 403), ("cross-site", 403), ("x", 403)]
)
async def test_a_browser_that_says_the_page_is_of_another_site_is_believed(
    attacked: Any, site: str, status: int
) -> None:
    """So is a page of our host without TLS, which has our name in its Origin."""
    visit = await attacked()
    assert (await visit("refresh", headers={"Sec-Fetch-Site": site})).status_code == status


async def test_an_allowed_frontend_may_be_of_another_site(
    attacked: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = "https://app.example.org"
    config = get_config().model_copy(update={"allowed_origins": (frontend,)})
    visit = await attacked()
    headers = {"Origin": frontend, "Sec-Fetch-Site": "cross-site"}
    assert (await visit("refresh", headers=headers)).status_code == 403
    for module in ("accounts.origins", "accounts.cookies"):
        monkeypatch.setattr(f"{module}.get_config", lambda: config)
    assert (await visit("refresh", headers=headers)).status_code == 200


async def test_in_production_a_page_of_ours_came_over_tls(
    attacked: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await attacked()
    config = get_config().model_copy(update={"eloquent_env": "prod"})
    monkeypatch.setattr("accounts.cookies.get_config", lambda: config)
    assert (await visit("refresh")).status_code == 403
    assert (await visit("refresh", headers={"Origin": server.replace("http", "https")})).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
async def test_another_method_cannot_pose_as_the_right_one(attacked: Any, method: str) -> None:
    visit = await attacked(Origin="")
    headers = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"}
    for path in ("refresh?_method=POST", "logout?_method=POST"):
        answer = await visit(path, method, headers=headers)
        assert answer.status_code in {204, 405}
        assert "set-cookie" not in answer.headers
    assert await visit.is_signed_in()


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_of_another_page_signs_nobody_in_or_out(
    attacked: Any, http: httpx.AsyncClient, media_type: str
) -> None:
    """What a form can send without asking first: JSON in disguise."""
    email = f"{uuid4().hex}@example.org"
    body = f'{{"email": "{email}", "password": "{PASSWORD}", "cookie": true}}'
    assert (await http.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD})).status_code == 201
    visit = await attacked(Origin="https://evil.example")
    answer = await visit("login", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    for path in ("refresh", "logout"):
        answer = await visit(path, content='{"cookie": true}', headers={"Content-Type": media_type})
        assert answer.status_code == 403
    assert await visit.is_signed_in()


async def test_another_page_cannot_have_the_cookie_dropped(attacked: Any, a_person: Any, server: str) -> None:
    """With a refresh token of its own it may sign out, and that is all that ends."""
    attacker = await a_person()
    visit = await attacked(Origin="https://evil.example")
    answer = await visit("logout", json={"refresh_token": attacker.refresh_token})
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert await visit.is_signed_in()
    answer = await visit("logout", headers={"Origin": server})
    assert answer.status_code == 204
    assert cookie_of(answer).value == ""


@pytest.mark.parametrize("order", ["{mine}; {theirs}", "{theirs}; {mine}", "{theirs}; a=b;{mine}", "{mine}; {mine}"])
async def test_of_two_cookies_of_our_name_neither_is_taken(
    attacked: Any, http: httpx.AsyncClient, server: str, order: str
) -> None:
    """A page of another host below ours can have the browser send its own along, before ours or behind it."""
    visit = await attacked()
    theirs = f"eloquent_refresh={cookie_of(await registered(http, server)).value}"
    header = order.format(mine=visit.cookie, theirs=theirs)
    answer = await visit("refresh", headers={"Cookie": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_refused")
    assert "set-cookie" not in answer.headers
    assert (await visit("logout", headers={"Cookie": header})).status_code == 401
    assert await visit.is_signed_in()
    for cookie in (visit.cookie, theirs, f"x{theirs}; {visit.cookie}"):
        assert (await visit("refresh", headers={"Cookie": cookie})).status_code == 200


async def test_a_token_in_the_body_leaves_the_cookie_alone(attacked: Any, a_person: Any) -> None:
    person = await a_person()
    visit = await attacked(Origin="https://evil.example")
    answer = await visit("refresh", json={"refresh_token": person.refresh_token})
    assert answer.status_code == 200, "who knows a token needs no cookie"
    assert answer.json()["user"]["id"] == person.id
    assert "set-cookie" not in answer.headers
    as_cookie = {"refresh_token": answer.json()["refresh_token"], "cookie": True}
    assert (await visit("refresh", json=as_cookie)).status_code == 403
    assert await visit.is_signed_in()


async def test_signing_out_everywhere_drops_the_cookie_of_our_own_page(http: httpx.AsyncClient, server: str) -> None:
    answer = await registered(http, server)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    cookie = f"eloquent_refresh={cookie_of(answer).value}"
    gone = await http.delete(
        "/api/v1/auth/sessions", params={"all": "true"}, headers={**headers, "Origin": server, "Cookie": cookie}
    )
    assert gone.status_code == 204
    assert cookie_of(gone).value == ""
    again = await http.post("/api/v1/auth/refresh", headers={"Cookie": cookie, "Origin": server})
    assert again.status_code == 401
