"""A provider says that somebody has left."""

import time
from typing import Any

import httpx
import pytest

from tests.accounts.openid.conftest import Browser
from tests.fakes.openid import FakeProvider, key

URL = "/api/v1/auth/openid/example/backchannel-logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


async def test_all_sessions_of_who_has_left_end(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, a_person: Any
) -> None:
    await browser.sign_in()
    somebody_else = await a_person()
    answer = await http.post(URL, data={"logout_token": provider.logout_token(sid="unknown here")})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert await browser.me() is None
    assert (await somebody_else.ask("GET", "me")).status_code == 200


async def test_somebody_unknown_has_no_sessions(provider: FakeProvider, http: httpx.AsyncClient) -> None:
    assert (await http.post(URL, data={"logout_token": provider.logout_token(sub="nobody")})).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": None},
        {"events": {}},
        {"events": {EVENT: "yes"}},
        {"nonce": "x"},
        {"iss": "https://evil.example.org"},
        {"aud": "somebody"},
        {"iat": int(time.time()) - 3600},
        {"iat": int(time.time()) + 3600},
        {"exp": int(time.time()) - 3600},
        {"sub": None, "sid": "a session alone"},
    ],
)
async def test_a_token_that_is_wrong_ends_nothing(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    await browser.sign_in()
    answer = await http.post(URL, data={"logout_token": provider.logout_token(**wrong)})
    assert (answer.status_code, answer.json()["code"]) == (400, "logout_token_refused")
    assert await browser.me() is not None


async def test_what_is_no_logout_token_ends_nothing(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient
) -> None:
    await browser.sign_in()
    id_token = provider.id_token({"client_id": "eloquent", "nonce": "n"}, "access-1")
    right = provider.logout_token()
    provider.private = key("RSA", 2)
    forged = provider.logout_token()
    provider.be_good()
    provider.algorithm = "HS256"
    for token in (id_token, forged, provider.logout_token(), "", "x", "a.b.c"):
        answer = await http.post(URL, data={"logout_token": token})
        assert answer.status_code in (400, 422), token
    assert await browser.me() is not None
    assert (await http.post(URL, data={"logout_token": right})).status_code == 200
    assert await browser.me() is None
