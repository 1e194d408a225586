"""People with a second factor who sign in at a provider."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from bson import ObjectId

from accounts.store import ExternalIdentity, add_identity
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.life.conftest import letter, letters
from tests.accounts.openid.conftest import Browser, named, pkce, told_in
from tests.accounts.second_factor.conftest import Clock, Owner, authenticator, clock, owner, somebody
from tests.fakes.openid import FakeProvider
from tests.passkeys import Authenticator

__all__ = ["authenticator", "clock", "owner", "somebody"]


async def known_as(person: Owner, provider: FakeProvider) -> ExternalIdentity:
    """Have the provider's person be the owner of the account."""
    subject: str = provider.person["sub"]
    identity = ExternalIdentity(
        id=ObjectId(), user_id=ObjectId(person.id), issuer=provider.issuer, subject=subject, created_at=now()
    )
    await add_identity(identity)
    return identity


async def exchanged(browser: Browser, code: str, **body: str) -> httpx.Response:
    return await browser.http.post(
        f"{browser.server}/api/v1/auth/openid/exchange",
        json={"code": code, "cookie": True, **body},
        headers={"Origin": browser.server},
    )


@pytest.mark.parametrize("collects", [True, False])
async def test_the_page_is_asked_for_the_second_factor_as_after_a_password(
    provider: FakeProvider, browser: Browser, owner: Owner, collects: bool
) -> None:
    await known_as(owner, provider)
    verifier, challenge = pkce()
    answer = await browser.sign_in(**({"code_challenge": challenge} if collects else {}))
    assert await browser.me() is None
    assert "set-cookie" not in answer.headers
    proof = {"code_verifier": verifier} if collects else {}
    asked = await exchanged(browser, told_in(answer)["openid_code"], **proof)
    assert asked.status_code == 202, asked.text
    assert asked.json()["methods"][0] == "totp"
    assert await browser.me() is None
    body = {"challenge": asked.json()["challenge"], "code": owner.app.code(), "cookie": True}
    origin = {"Origin": browser.server}
    shown = await browser.http.post(f"{browser.server}/api/v1/auth/second-factor", json=body, headers=origin)
    assert shown.status_code == 200, shown.text
    assert (await browser.me() or {})["id"] == owner.id
    entry = await database().audit.find_one({"action": "session.signed_in"}, sort=[("number", -1)])
    assert '"identity_provider"' in entry["facts"]


async def test_whose_provider_has_asked_is_not_asked_again(
    provider: FakeProvider, browser: Browser, owner: Owner, configured: Callable[..., None]
) -> None:
    await known_as(owner, provider)
    named(configured, provider, second_factor="provider")
    assert told_in(await browser.sign_in()) == {}
    assert (await browser.me() or {})["id"] == owner.id
    named(configured, provider, second_factor="ask")
    assert "openid_code" in told_in(await browser.sign_in())


async def test_who_planted_a_passkey_in_anothers_account_is_not_joined_by_its_owner(
    provider: FakeProvider,
    browser: Browser,
    somebody: Callable[..., Any],
    authenticator: Authenticator,
    configured: Callable[..., None],
    http: httpx.AsyncClient,
) -> None:
    """The owner of the email cannot show the passkey, so a password by a letter does not make the account theirs."""
    stranger: Owner = await somebody()
    await stranger.add_passkey(authenticator)
    named(configured, provider, trusts_email=True, registers=True, second_factor="provider")
    provider.person |= {"sub": "the-owner", "email": stranger.email, "email_verified": True}
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_link_first"}
    await letters()
    await http.post("/api/v1/auth/password/forgot", json={"email": stranger.email})
    body = {"token": (await letter(stranger.email)).token, "new_password": "a better horse battery staple"}
    assert (await http.post("/api/v1/auth/password/reset", json=body)).status_code == 202
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_link_first"}
    assert await browser.me() is None


async def test_a_passkey_is_another_way_in(
    provider: FakeProvider, somebody: Callable[..., Owner], clock: Clock, authenticator: Authenticator
) -> None:
    person = await somebody()  # type: ignore[misc]
    identity = await known_as(person, provider)
    await person.add_passkey(authenticator)
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"password": "!none"}})
    assert (await person.ask("DELETE", f"me/identities/{identity.id}")).status_code == 204
