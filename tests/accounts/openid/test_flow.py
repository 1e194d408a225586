"""The way to a provider and back."""

import json
import logging
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from accounts import throttle
from accounts.openid import browsers, flow, results
from accounts.openid.published import forget_published
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.openid.conftest import Browser, named, pkce, told_in
from tests.fakes.openid import CLIENT_SECRET, FakeProvider


async def test_who_signs_in_at_a_provider_is_signed_in_here(provider: FakeProvider, browser: Browser) -> None:
    answer = await browser.sign_in(next="/#/c/0123")
    assert answer.headers["location"] == "/#/c/0123"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert answer.headers["cache-control"] == "no-store"
    me: Any = await browser.me()
    assert (me["email"], me["name"], me["is_staff"]) == ("ada@example.org", "Ada", False)
    # And the same account the next time.
    await browser.sign_in()
    again: Any = await browser.me()
    assert again["id"] == me["id"]
    actions = [entry["action"] async for entry in database().audit.find().sort("number", 1)]
    assert actions == ["account.registered", "account.identity_linked", "session.signed_in", "session.signed_in"]
    assert '"identity_provider"' in (await database().audit.find_one({"action": "session.signed_in"}))["facts"]


async def test_nothing_that_opens_anything_is_kept_in_clear(provider: FakeProvider, browser: Browser) -> None:
    page = await browser.start()
    asked = parse_qs(urlsplit(page).query)
    (attempt,) = await database().openid_attempts.find().to_list()
    kept = str(attempt)
    assert asked["state"][0] not in kept
    assert asked["nonce"][0] not in kept
    assert browser.http.cookies["eloquent_openid"] not in kept
    await browser.come_back(await browser.agree(page))
    assert provider.sent[0]["code_verifier"] not in kept
    assert await database().openid_attempts.count_documents({}) == 0


async def test_the_cookie_that_knows_the_browser_again_is_lax_and_hidden_from_scripts(
    provider: FakeProvider, browser: Browser, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server}/api/v1/auth/openid/example/start"
    plain = (await browser.http.get(url)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(plain.split("; "))
    assert plain.startswith("eloquent_openid=")
    production = get_config().model_copy(update={"eloquent_env": "prod"})
    monkeypatch.setattr(browsers, "get_config", lambda: production)
    secure = (await browser.http.get(url)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(secure.split("; "))
    assert secure.startswith("__Host-eloquent_openid=")


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
async def test_the_person_begins_a_sign_in(provider: FakeProvider, browser: Browser, site: str | None) -> None:
    browser.http.headers.update({"Sec-Fetch-Site": site} if site else {})
    await browser.sign_in()
    browser.http.headers.pop("Sec-Fetch-Site", None)
    assert await browser.me() is not None


async def test_a_page_of_another_site_cannot_sign_its_visitor_in(provider: FakeProvider, browser: Browser) -> None:
    url = f"{browser.server}/api/v1/auth/openid/example/start"
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = await browser.http.get(url, params={"next": "/#/c/0123"}, headers=foreign)
    assert answer.headers["location"] == "/#openid_error=openid_begun_elsewhere"
    assert await database().openid_attempts.count_documents({}) == 0
    # A frontend there begins with a challenge: nobody can make a session of what comes back but itself.
    verifier, challenge = pkce()
    answer = await browser.http.get(url, params={"code_challenge": challenge}, headers=foreign)
    arrived = await browser.come_back(await browser.agree(answer.headers["location"]))
    assert await browser.me() is None
    body = {"code": told_in(arrived)["openid_code"], "code_verifier": verifier}
    assert (await browser.http.post(f"{browser.server}/api/v1/auth/openid/exchange", json=body)).status_code == 200


async def test_a_state_is_good_once(provider: FakeProvider, browser: Browser) -> None:
    address = await browser.agree(await browser.start())
    assert told_in(await browser.come_back(address)) == {}
    assert told_in(await browser.come_back(address)) == {"openid_error": "openid_attempt_unknown"}
    assert len(provider.sent) == 1


async def test_nobody_can_finish_what_another_browser_began(
    provider: FakeProvider, a_browser: Callable[[], Browser]
) -> None:
    stranger, victim = a_browser(), a_browser()
    address = await stranger.agree(await stranger.start())
    for prepare in (None, victim.start):  # without a cookie, and with one of its own
        if prepare is not None:
            await prepare()
        answer = await victim.come_back(address)
        assert told_in(answer) == {"openid_error": "openid_attempt_unknown"}
        assert await victim.me() is None
    # It was not used up by them.
    assert told_in(await stranger.come_back(address)) == {}
    assert await stranger.me() is not None


async def test_a_state_is_good_for_ten_minutes(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(flow, "ATTEMPT_LIFETIME", timedelta(seconds=-1))
        assert told_in(await browser.sign_in()) == {"openid_error": "openid_attempt_unknown"}
    assert told_in(await browser.sign_in()) == {}


async def test_two_tabs_may_be_under_way_at_once(provider: FakeProvider, browser: Browser) -> None:
    first, second = await browser.start(next="/one"), await browser.start(next="/two")
    for page, end in ((second, "/two"), (first, "/one")):
        assert (await browser.come_back(await browser.agree(page))).headers["location"] == end


async def test_an_answer_is_taken_only_where_it_was_asked_for(
    provider: FakeProvider, browser: Browser, configured: Callable[..., None]
) -> None:
    """A mix-up: what was begun at one provider comes back as if from another."""
    both = {"example": provider.setting, "other": {"issuer": "https://other.example.org", "client_id": "b"}}
    for entry in both.values():
        entry.update(trusts_email=True, registers=True)
    configured(OPENID_PROVIDERS=json.dumps(both))
    address = await browser.agree(await browser.start())
    answer = await browser.come_back(address.replace("/example/", "/other/"))
    assert told_in(answer) == {"openid_error": "openid_attempt_unknown"}
    assert provider.sent == []
    assert told_in(await browser.sign_in()) == {}


@pytest.mark.parametrize(
    ("redirect", "announced", "code"),
    [
        ({"iss": "https://other.example.org"}, True, "openid_answer_refused"),
        ({"iss": "https://other.example.org"}, False, "openid_answer_refused"),
        ({"iss": None}, True, "openid_answer_refused"),
        ({"iss": None}, False, None),
        ({}, True, None),
        ({"code": None}, True, "openid_answer_refused"),
        ({"code": "x" * 5000}, True, "openid_answer_refused"),
        ({"code": "not-ours"}, True, "openid_answer_refused"),
        ({"code": None, "error": "access_denied"}, True, "openid_declined"),
        ({"code": None, "error": "access_denied", "iss": "https://other.example.org"}, True, "openid_answer_refused"),
        ({"state": None}, True, "openid_attempt_unknown"),
        ({"state": "made up"}, True, "openid_attempt_unknown"),
    ],
)
async def test_what_comes_back_is_looked_at(
    provider: FakeProvider, browser: Browser, redirect: dict[str, str | None], announced: bool, code: str | None
) -> None:
    provider.redirect = redirect
    provider.discovery = {"authorization_response_iss_parameter_supported": announced}
    assert told_in(await browser.sign_in()).get("openid_error") == code
    assert (await browser.me() is None) == (code is not None)


async def test_a_parameter_that_comes_twice_is_refused(provider: FakeProvider, browser: Browser) -> None:
    address = await browser.agree(await browser.start())
    values = {name: found[0] for name, found in parse_qs(urlsplit(address).query).items()}
    for twice in (*(f"&{name}={value}" for name, value in values.items()), "&error=x&error=y"):
        answer = await browser.come_back(address + twice)
        assert told_in(answer) == {"openid_error": "openid_answer_refused"}, twice
    assert provider.sent == []
    assert told_in(await browser.come_back(address)) == {}


async def test_a_provider_that_nobody_named_is_not_found(provider: FakeProvider, http: httpx.AsyncClient) -> None:
    for path in ("start", "callback"):
        assert (await http.get(f"/api/v1/auth/openid/nobody/{path}")).status_code == 404
        assert (await http.get(f"/api/v1/auth/openid/example/{path}")).status_code == 302


async def test_the_list_of_providers_tells_their_names_and_nothing_else(
    provider: FakeProvider, http: httpx.AsyncClient, configured: Callable[..., None]
) -> None:
    listed = await http.get("/api/v1/auth/openid/providers")
    assert listed.json() == {"items": [{"name": "example", "title": "Example"}]}
    configured(OPENID_PROVIDERS="")
    assert (await http.get("/api/v1/auth/openid/providers")).json() == {"items": []}


async def test_start_goes_on_only_to_pages_of_ours(
    provider: FakeProvider, http: httpx.AsyncClient, configured: Callable[..., None]
) -> None:
    configured(FRONTEND_URL="https://app.example.org/chat", ALLOWED_ORIGINS="https://other.example.net")
    refused = await http.get("/api/v1/auth/openid/example/start", params={"next": "https://evil.example.org/"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["query", "next"]
    for page in ("https://app.example.org/x", "https://other.example.net/", "/x", None):
        params = {"next": page} if page else {}
        assert (await http.get("/api/v1/auth/openid/example/start", params=params)).status_code == 302
    ends = {attempt["next_url"] async for attempt in database().openid_attempts.find()}
    assert ends == {"https://app.example.org/x", "https://other.example.net/", "/x", "https://app.example.org/chat"}


async def test_a_page_on_another_site_collects_its_tokens_with_its_verifier(
    provider: FakeProvider, browser: Browser, configured: Callable[..., None], http: httpx.AsyncClient
) -> None:
    configured(ALLOWED_ORIGINS="https://app.example.net")
    verifier, challenge = pkce()
    answer = await browser.sign_in(next="https://app.example.net/in?x=1#old", code_challenge=challenge)
    address, _, _ = answer.headers["location"].partition("#")
    assert address == "https://app.example.net/in?x=1"
    assert "set-cookie" not in answer.headers
    code = told_in(answer)["openid_code"]
    assert code not in str(await database().openid_results.find_one())
    # Not the page's own cookies: a page on another site has none of ours.
    grant = await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})
    assert grant.status_code == 200, grant.text
    assert grant.json()["refresh_token"]
    token = {"Authorization": f"Bearer {grant.json()['access_token']}"}
    assert (await http.get("/api/v1/me", headers=token)).json()["email"] == "ada@example.org"
    again = await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})
    assert (again.status_code, again.json()["code"]) == (422, "openid_code_refused")


@pytest.mark.parametrize("wrong", ["verifier", "no verifier", "old", "code"])
async def test_a_code_opens_nothing_for_others(
    provider: FakeProvider,
    browser: Browser,
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    verifier, challenge = pkce()
    if wrong == "old":
        monkeypatch.setattr(results, "CODE_LIFETIME", timedelta(seconds=-1))
    body = {"code": told_in(await browser.sign_in(code_challenge=challenge))["openid_code"], "code_verifier": verifier}
    if wrong == "verifier":
        body["code_verifier"] = pkce()[0]
    elif wrong == "no verifier":
        del body["code_verifier"]
    elif wrong == "code":
        body["code"] = secrets.token_urlsafe(32)
    answer = await http.post("/api/v1/auth/openid/exchange", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "openid_code_refused")
    monkeypatch.undo()
    code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
    right = await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})
    assert right.status_code == 200


async def test_a_page_that_has_another_step_to_show_collects_with_its_browsers_cookie(
    provider: FakeProvider, browser: Browser, a_browser: Callable[[], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asks_for_more(*_: Any, **__: Any) -> str:
        return "not a grant"

    for somebody, status in ((a_browser(), 422), (browser, 200)):
        with monkeypatch.context() as patch:
            patch.setattr(results, "let_in", asks_for_more)
            answer = await browser.sign_in(next="/")
        assert "eloquent_refresh" not in answer.headers.get("set-cookie", "")
        collected = await somebody.http.post(
            f"{browser.server}/api/v1/auth/openid/exchange",
            json={"code": told_in(answer)["openid_code"], "cookie": True},
            headers={"Origin": browser.server},
        )
        assert collected.status_code == status, collected.text
    assert "refresh_token" not in collected.json()
    assert await browser.me() is not None


async def test_a_foreign_page_is_given_no_cookie(provider: FakeProvider, browser: Browser) -> None:
    verifier, challenge = pkce()
    code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
    for origin, status in (("https://evil.example.org", 403), (browser.server, 200)):
        answer = await browser.http.post(
            f"{browser.server}/api/v1/auth/openid/exchange",
            json={"code": code, "code_verifier": verifier, "cookie": True},
            headers={"Origin": origin},
        )
        assert answer.status_code == status


async def test_no_secret_of_a_sign_in_is_in_a_log(
    provider: FakeProvider, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets_of_it: list[str] = [CLIENT_SECRET]
    for manner, redirect in (({}, {}), ({"/token": "500"}, {}), ({}, {"code": "code-that-is-wrong"})):
        provider.manners, provider.redirect = manner, redirect
        page = await browser.start()
        address = await browser.agree(page)
        await browser.come_back(address)
        asked, answered = parse_qs(urlsplit(page).query), parse_qs(urlsplit(address).query)
        secrets_of_it += [asked["state"][0], asked["nonce"][0], answered["code"][0]]
        secrets_of_it.append(provider.sent[-1]["code_verifier"])
    ours = [record for record in caplog.records if record.name.startswith(("eloquent", "accounts", "django"))]
    text = "\n".join(
        f"{record.getMessage()} {getattr(record, 'fields', '')} {logging.Formatter().format(record)}" for record in ours
    )
    assert re.search("openid provider", text)
    assert "/callback" in text
    assert [secret for secret in secrets_of_it if secret in text] == []


async def test_too_many_are_told_on_the_page(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_in(await browser.sign_in()) == {}
    monkeypatch.setattr(throttle, "OPENID_BY_ADDRESS", throttle.Limit("openid", 0, 60))
    answer = await browser.http.get(f"{browser.server}/api/v1/auth/openid/example/start")
    assert told_in(answer) == {"openid_error": "throttled"}


async def test_a_provider_that_is_away_breaks_no_other_sign_in(
    provider: FakeProvider, browser: Browser, a_person: Any
) -> None:
    provider.manners = {"/.well-known/openid-configuration": "500"}
    answer = await browser.http.get(f"{browser.server}/api/v1/auth/openid/example/start", params={"next": "/#/c/1"})
    assert answer.headers["location"] == "/#openid_error=openid_provider_away"
    person = await a_person()
    await person.sign_in_again()


async def test_an_untrusted_setting_is_used_as_it_stands(
    provider: FakeProvider, browser: Browser, configured: Callable[..., None]
) -> None:
    named(configured, provider, scopes=["openid", "email"], client_secret=None, trusts_email=True, registers=True)
    page = parse_qs(urlsplit(await browser.start()).query)
    assert page["scope"] == ["openid email"]
    # A public client is none to this provider, which knows it by its secret.
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_answer_refused"}
    assert provider.sent[0]["client_id"] == "eloquent"
    named(configured, provider, trusts_email=True, registers=True)
    provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    forget_published()
    assert told_in(await browser.sign_in()) == {}
    assert provider.sent[1]["client_secret"] == CLIENT_SECRET
