"""What a provider answers is believed only when all of it is right: keys, claims, documents."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from accounts.openid import asking, published
from tests.accounts.openid.conftest import Browser, told_in
from tests.fakes.openid import FakeProvider, jwk, key

DISCOVERY = "/.well-known/openid-configuration"
MANNERS = ["500", "redirect", "huge", "deep", "nonsense", "compressed", "slow", "drip"]


async def test_an_answer_that_is_wrong_lets_nobody_in(provider: FakeProvider, browser: Browser) -> None:
    """Each kind once, through all of it; tests/accounts/openid/test_id_tokens.py has the others."""
    for wrong in ("none", "iss", "aud", "nonce", "exp", "HS256", "private", "id_token"):
        if wrong in ("none", "HS256"):
            provider.algorithm = wrong
        elif wrong == "private":
            provider.private = key("RSA", 2)
        elif wrong == "id_token":
            provider.token = {"id_token": None}
        else:
            provider.claims = {wrong: 1 if wrong == "exp" else "wrong"}
        assert told_in(await browser.sign_in()) == {"openid_error": "openid_answer_refused"}, wrong
        assert await browser.me() is None
        if wrong == "none":
            assert "/jwks" not in provider.asked, (
                "nobody is asked for keys because of an algorithm that none of them has"
            )
        provider.be_good()
    assert told_in(await browser.sign_in()) == {}
    assert len(provider.sent) == 9


async def test_a_new_key_is_found_and_an_unknown_one_looked_for_once_a_minute(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    assert provider.asked.count("/jwks") == 1
    provider.private, provider.kid = key("RSA", 2), "two"
    provider.keys = [jwk(key("RSA", 2), kid="two")]
    # The first reading was less than a minute ago.
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_answer_refused"}
    assert provider.asked.count("/jwks") == 1
    with monkeypatch.context() as patch:
        patch.setattr(published, "ANEW_S", 0.0)
        assert told_in(await browser.sign_in()) == {}
    assert provider.asked.count("/jwks") == 2
    provider.kid = "made up"
    for _ in range(3):
        assert told_in(await browser.sign_in()) == {"openid_error": "openid_answer_refused"}
    assert provider.asked.count("/jwks") == 2
    assert provider.asked.count(DISCOVERY) == 1


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token"])
async def test_a_provider_that_does_not_answer_well_is_away(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(published, "LEFT_ALONE_S", 0.0)
    for manner in MANNERS:
        provider.manners = {path: manner}
        with monkeypatch.context() as patch:
            if manner in ("slow", "drip"):
                patch.setattr(asking, "PATIENCE_S", 0.5)
            answer = await browser.http.get(f"{browser.server}/api/v1/auth/openid/example/start")
            if not told_in(answer):
                answer = await browser.come_back(await browser.agree(answer.headers["location"]))
        assert told_in(answer) == {"openid_error": "openid_provider_away"}, manner
    assert provider.asked.count(path) == len(MANNERS)
    assert not [asked for asked in provider.asked if asked.startswith("/elsewhere")]
    provider.unfreeze.set()
    provider.be_good()
    assert told_in(await browser.sign_in()) == {}


LIES: list[dict[str, Any]] = [
    {"issuer": "https://evil.example.org"},
    {"issuer": None},
    {"token_endpoint": None},
    {"token_endpoint": 1},
    {"token_endpoint": "http://example.org/token"},
    {"token_endpoint": "https://10.0.0.7/token"},
    {"jwks_uri": "https://169.254.169.254/latest"},
    {"jwks_uri": "file:///etc/passwd"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"authorization_endpoint": "https://user@example.org/"},
    {"userinfo_endpoint": "http://127.0.0.1:1/"},
]


async def test_a_discovery_document_that_lies_is_not_used(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "LEFT_ALONE_S", 0.0)
    for lie in LIES:
        provider.discovery = lie
        answer = await browser.http.get(f"{browser.server}/api/v1/auth/openid/example/start")
        assert told_in(answer) == {"openid_error": "openid_provider_away"}, lie
    assert provider.asked == [DISCOVERY] * len(LIES)
    provider.be_good()
    assert told_in(await browser.sign_in()) == {}


async def test_what_was_read_goes_on_being_good_while_the_provider_is_away(
    provider: FakeProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.sign_in()
    for name in ("FRESH_S", "LEFT_ALONE_S"):
        monkeypatch.setattr(published, name, 0.0)
    provider.manners = dict.fromkeys([DISCOVERY, "/jwks"], "500")
    assert told_in(await browser.sign_in()) == {}
    monkeypatch.setattr(published, "GOOD_S", 0.0)
    answer = await browser.http.get(f"{browser.server}/api/v1/auth/openid/example/start")
    assert told_in(answer) == {"openid_error": "openid_provider_away"}


async def test_many_who_sign_in_at_once_ask_once(provider: FakeProvider, a_browser: Callable[[], Browser]) -> None:
    await asyncio.gather(*(a_browser().start() for _ in range(5)))
    assert provider.asked.count(DISCOVERY) == 1
    provider.manners = {DISCOVERY: "500"}
    published.forget_published()
    start = f"{a_browser().server}/api/v1/auth/openid/example/start"
    answers = await asyncio.gather(*(a_browser().http.get(start) for _ in range(5)))
    assert {told_in(answer)["openid_error"] for answer in answers} == {"openid_provider_away"}
    assert provider.asked.count(DISCOVERY) == 2


async def test_a_token_that_makes_no_sense_is_no_fault_of_ours(provider: FakeProvider, browser: Browser) -> None:
    nonsense: list[dict[str, Any]] = [{"expires_in": [1]}, {"expires_in": 1e400}, {"access_token": 7}, {"error": {}}]
    for token in nonsense:
        provider.token = token
        told = told_in(await browser.sign_in())["openid_error"]
        assert told in ("openid_answer_refused", "openid_provider_away"), token
    provider.be_good()
    assert told_in(await browser.sign_in()) == {}


async def test_the_email_may_come_from_the_userinfo_endpoint(provider: FakeProvider, browser: Browser) -> None:
    provider.claims = {"email": None, "email_verified": None}
    assert told_in(await browser.sign_in()) == {}
    me: Any = await browser.me()
    assert me["email"] == "ada@example.org"
    # Who is known is not asked after.
    assert told_in(await browser.sign_in()) == {}
    assert provider.asked.count("/userinfo") == 1


@pytest.mark.parametrize("userinfo", [{"sub": "somebody", "email": "ada@example.org"}, {"email": "ada@example.org"}])
async def test_the_userinfo_endpoint_may_not_speak_of_somebody_else(
    provider: FakeProvider, browser: Browser, userinfo: dict[str, Any]
) -> None:
    provider.claims, provider.userinfo = {"email": None}, userinfo
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_answer_refused"}
    provider.userinfo = None
    assert told_in(await browser.sign_in()) == {}
