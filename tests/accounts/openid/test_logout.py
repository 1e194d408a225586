"""A provider says that somebody has left."""

import json
import secrets
import time
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.test import AsyncClient
from pymongo.errors import ServerSelectionTimeoutError

from accounts import store
from accounts.api_key_access import KEY_BEGINS
from accounts.models import ApiKey, User
from accounts.tokens import hash_of
from eloquent.foundation.database import database
from tests.accounts.openid.conftest import Browser, told_in
from tests.accounts.openid.test_second_step import exchanged, known_as
from tests.accounts.second_factor.conftest import Owner, authenticator, clock, owner, somebody
from tests.fakes.openid import FakeProvider, key

__all__ = ["authenticator", "clock", "owner", "somebody"]

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
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"jti": 7},
    ],
)
async def test_a_token_that_is_wrong_ends_nothing(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    await browser.sign_in()
    answer = await http.post(URL, data={"logout_token": provider.logout_token(**wrong)})
    assert (answer.status_code, answer.json()["code"]) == (400, "logout_token_refused")
    assert await browser.me() is not None


@pytest.mark.parametrize("typ", ["logout+jwt", "Logout+JWT", "application/logout+jwt", "JWT", ""])
async def test_a_token_may_say_what_it_is(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, typ: str
) -> None:
    await browser.sign_in()
    provider.header = {"typ": typ}
    assert (await http.post(URL, data={"logout_token": provider.logout_token()})).status_code == 200
    assert await browser.me() is None


@pytest.mark.parametrize("typ", ["at+jwt", "id+jwt", "secevent+jwt", "logout", 7])
async def test_a_token_that_says_it_is_something_else_ends_nothing(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, typ: Any
) -> None:
    await browser.sign_in()
    provider.header = {"typ": typ}
    answer = await http.post(URL, data={"logout_token": provider.logout_token()})
    assert (answer.status_code, answer.json()["code"]) == (400, "logout_token_refused")
    assert await browser.me() is not None


async def test_a_token_ends_sessions_once(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    token = provider.logout_token()

    async def away(*_: object) -> None:
        raise ServerSelectionTimeoutError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(store, "remove_sign_in_challenges_of", away)
        assert (await http.post(URL, data={"logout_token": token})).status_code == 503
    assert await browser.me() is not None
    # It was not done: the provider may say it again.
    assert (await http.post(URL, data={"logout_token": token})).status_code == 200
    assert await browser.me() is None
    await browser.sign_in()
    answer = await http.post(URL, data={"logout_token": token})
    assert (answer.status_code, answer.json()["code"]) == (400, "logout_token_refused")
    assert await browser.me() is not None


async def test_whoever_has_left_is_half_way_in_nowhere(
    provider: FakeProvider, browser: Browser, http: httpx.AsyncClient, owner: Owner
) -> None:
    await known_as(owner, provider)
    waiting = told_in(await browser.sign_in())["openid_code"]
    asked = await exchanged(browser, told_in(await browser.sign_in())["openid_code"])
    assert asked.status_code == 202, asked.text
    assert (await http.post(URL, data={"logout_token": provider.logout_token()})).status_code == 200
    assert (await exchanged(browser, waiting)).json()["code"] == "openid_code_refused"
    answer = await http.post(
        "/api/v1/auth/second-factor", json={"challenge": asked.json()["challenge"], "code": owner.app.code()}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "challenge_refused")
    assert (await owner.ask("GET", "me")).status_code == 401


async def test_browsers_in_the_staff_console_are_signed_out_and_keys_stay(
    provider: FakeProvider, http: httpx.AsyncClient, somebody: Any
) -> None:
    person = await somebody()
    await known_as(person, provider)
    secret = f"{KEY_BEGINS}{secrets.token_hex(32)}"
    user = await User.objects.aget(pk=ObjectId(person.id))
    user.is_staff = user.is_superuser = True
    await user.asave()
    await ApiKey.objects.acreate(user=user, name="Nightly", prefix="n", hash=hash_of(secret), scopes=["models"])
    console = AsyncClient()
    await console.aforce_login(user)
    assert (await console.get("/admin/")).status_code == 200
    assert (await http.post(URL, data={"logout_token": provider.logout_token()})).status_code == 200
    assert (await console.get("/admin/")).status_code == 302
    assert (await http.get("/v1/models", headers={"Authorization": f"Bearer {secret}"})).status_code == 200
    entry = await database().audit.find_one({"action": "session.ended"}, sort=[("number", -1)])
    assert json.loads(entry["facts"]) == {"many": 1, "console": True}


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
