"""Linking a sign-in to an account, and unlinking it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.core import mail

from accounts.mail.delivery import settle_mail
from accounts.openid import people
from accounts.proving import FRESH
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.life.conftest import letter, letters
from tests.accounts.openid.conftest import Browser, named, pkce, told_in
from tests.accounts.second_factor.conftest import Clock, Owner, clock, owner, somebody
from tests.fakes.openid import FakeProvider

__all__ = ["clock", "owner", "somebody"]


async def link_code(person: Any, browser: Browser, **body: Any) -> dict[str, str]:
    """Go to the provider for a person who is signed in; what the page is told at the end."""
    proof = {"current_password": PASSWORD}
    begun = await person.ask("POST", "me/identities/example/start", json={**proof, **body})
    assert begun.status_code == 200, begun.text
    return told_in(await browser.come_back(await browser.agree(begun.json()["url"])))


async def linked(person: Any, browser: Browser) -> httpx.Response:
    """Link; the answer to the last request."""
    code = (await link_code(person, browser))["openid_link"]
    answer: httpx.Response = await person.ask("POST", "me/identities", json={"code": code})
    return answer


async def unlink(person: Any, identity: dict[str, Any]) -> httpx.Response:
    """Unlink, with the password; the answer."""
    path = f"me/identities/{identity['id']}"
    answer: httpx.Response = await person.ask("DELETE", path, json={"current_password": PASSWORD})
    return answer


async def test_who_is_signed_in_links_a_sign_in_and_comes_in_by_it(
    provider: FakeProvider, browser: Browser, a_person: Any, configured: Callable[..., None]
) -> None:
    named(configured, provider)  # it need not be trusted
    provider.person |= {"email": "elsewhere@example.net", "email_verified": False}
    person = await a_person()
    assert (await person.ask("GET", "me/identities")).json() == {"items": []}
    answer = await linked(person, browser)
    assert answer.status_code == 201, answer.text
    listed = (await person.ask("GET", "me/identities")).json()["items"]
    assert listed == [answer.json()]
    assert {"provider": "example", "title": "Example", "email": "elsewhere@example.net"}.items() <= listed[0].items()
    assert await browser.me() is None  # linking signs nobody in
    assert told_in(await browser.sign_in()) == {}
    me: Any = await browser.me()
    assert me["id"] == person.id
    await settle_mail()
    told = [letter.subject for letter in mail.outbox if letter.to == [person.email]]
    assert "Example now opens your Eloquent AI account" in told
    actions = [entry["action"] async for entry in database().audit.find({"action": {"$regex": "^account.identity"}})]
    assert actions == ["account.identity_linked"]


async def test_the_page_is_the_one_that_was_asked_for(provider: FakeProvider, browser: Browser, a_person: Any) -> None:
    person = await a_person()
    refused = await person.ask("POST", "me/identities/example/start", json={"next": "//evil.example.org"})
    assert refused.status_code == 422
    body = {"next": "/account", "current_password": PASSWORD}
    begun = await person.ask("POST", "me/identities/example/start", json=body)
    answer = await browser.come_back(await browser.agree(begun.json()["url"]))
    assert answer.headers["location"].startswith("/account#openid_link=")
    assert "set-cookie" not in answer.headers


async def test_nobody_can_have_another_persons_sign_in_attached(
    provider: FakeProvider, browser: Browser, a_person: Any
) -> None:
    """The stranger has the victim open their link, or come back from it: the victim's session did not ask for it."""
    stranger, victim = await a_person(), await a_person()
    other_device = await stranger.sign_in_again()
    for other in (victim, other_device):
        code = (await link_code(stranger, browser))["openid_link"]
        answer = await other.ask("POST", "me/identities", json={"code": code})
        assert (answer.status_code, answer.json()["code"]) == (422, "openid_code_refused")
        # And it is used up.
        assert (await stranger.ask("POST", "me/identities", json={"code": code})).status_code == 422
    assert await database().external_identities.count_documents({}) == 0
    assert (await linked(stranger, browser)).status_code == 201


async def test_a_code_for_a_link_opens_no_session_and_one_for_a_session_links_nothing(
    provider: FakeProvider, browser: Browser, a_person: Any, http: httpx.AsyncClient
) -> None:
    person, (verifier, challenge) = await a_person(), pkce()
    code = (await link_code(person, browser))["openid_link"]
    body = {"code": code, "code_verifier": verifier}
    assert (await http.post("/api/v1/auth/openid/exchange", json=body)).status_code == 422
    code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
    assert (await person.ask("POST", "me/identities", json={"code": code})).status_code == 422
    assert (await linked(await _signed_in(browser, http), browser)).status_code == 201


async def _signed_in(browser: Browser, http: httpx.AsyncClient) -> Any:
    verifier, challenge = pkce()
    code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
    grant = await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})
    assert grant.status_code == 200, grant.text
    return Person(http, grant.json())


async def test_an_access_token_alone_links_nothing(provider: FakeProvider, browser: Browser, a_person: Any) -> None:
    """Whoever got hold of one, or of a page that was left open, would have a way in for good."""
    person = await a_person()
    start = "me/identities/example/start"
    for body in ({}, {"current_password": "not the password"}):
        refused = await person.ask("POST", start, json=body)
        assert (refused.status_code, refused.json().get("code")) == (422, "wrong_password"), refused.text
    assert (await person.ask("POST", start)).status_code == 422
    assert (await linked(person, browser)).status_code == 201
    # Who has no password has signed in just now.
    user_id = ObjectId(person.id)
    await database().users.update_one({"_id": user_id}, {"$set": {"password": "!none"}})
    assert (await person.ask("POST", start)).status_code == 200
    before = now() - FRESH - timedelta(seconds=1)
    await database().sessions.update_many({"user_id": user_id}, {"$set": {"created_at": before}})
    assert (await person.ask("POST", start)).json()["code"] == "sign_in_too_old"


async def test_who_has_an_app_shows_its_code_to_link(
    provider: FakeProvider, browser: Browser, owner: Owner, clock: Clock, configured: Callable[..., None]
) -> None:
    """A provider that asks for a second factor itself stands for both: a password must not be enough to add one."""
    named(configured, provider, second_factor="provider")
    start, proof = "me/identities/example/start", {"current_password": PASSWORD}
    refused = await owner.ask("POST", start, json=proof)
    assert (refused.status_code, refused.json().get("code")) == (422, "wrong_code"), refused.text
    assert (await owner.ask("POST", start, json={**proof, "code": owner.app.code()})).status_code == 200


async def test_a_sign_in_belongs_to_one_account(provider: FakeProvider, browser: Browser, a_person: Any) -> None:
    owner, other = await a_person(), await a_person()
    waiting = (await link_code(other, browser))["openid_link"]
    first = (await linked(owner, browser)).json()
    # Linking again changes nothing.
    assert (await linked(owner, browser)).json()["id"] == first["id"]
    answer = await other.ask("POST", "me/identities", json={"code": waiting})
    assert (answer.status_code, answer.json()["code"]) == (409, "identity_taken")
    assert await link_code(other, browser) == {"openid_error": "identity_taken"}
    provider.person["sub"] = "another"
    assert (await linked(other, browser)).status_code == 201


async def test_there_is_a_bound_to_what_one_may_link(
    provider: FakeProvider, browser: Browser, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_IDENTITIES", 1)
    person = await a_person()
    assert (await linked(person, browser)).status_code == 201
    provider.person["sub"] = "another"
    answer = await linked(person, browser)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_identities")


async def test_what_is_unlinked_opens_nothing_any_more(provider: FakeProvider, browser: Browser, a_person: Any) -> None:
    person = await a_person()
    identity = (await linked(person, browser)).json()
    assert (await unlink(person, identity)).status_code == 204
    assert (await unlink(person, identity)).status_code == 404
    await settle_mail()
    assert mail.outbox[-1].subject == "Example no longer opens your Eloquent AI account"
    await browser.sign_in()
    me: Any = await browser.me()
    assert me["id"] != person.id


async def test_who_had_registered_anothers_email_does_not_come_in_by_a_sign_in_that_waits(
    provider: FakeProvider, browser: Browser, a_person: Any, http: httpx.AsyncClient
) -> None:
    """The owner of the address comes later, by the link of a forgotten password."""
    stranger = await a_person()
    assert (await linked(stranger, browser)).status_code == 201
    await letters()
    await http.post("/api/v1/auth/password/forgot", json={"email": stranger.email})
    body = {"token": (await letter(stranger.email)).token, "new_password": "a better horse battery staple"}
    taken_back = await http.post("/api/v1/auth/password/reset", json=body)
    assert taken_back.status_code == 200, taken_back.text
    await browser.sign_in()
    assert (await browser.me() or {}).get("id") != stranger.id
    assert (await Person(http, taken_back.json()).ask("GET", "me/identities")).json() == {"items": []}
    [entry] = await database().audit.find({"action": "account.password_reset"}).to_list()
    assert '"identities_removed":1' in entry["facts"]


async def test_a_reset_of_an_email_that_was_proven_keeps_what_is_linked(
    provider: FakeProvider, browser: Browser, a_person: Any, http: httpx.AsyncClient
) -> None:
    person = await a_person()
    assert (await linked(person, browser)).status_code == 201
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"email_verified_at": now()}})
    await letters()
    await http.post("/api/v1/auth/password/forgot", json={"email": person.email})
    body = {"token": (await letter(person.email)).token, "new_password": "a better horse battery staple"}
    assert (await http.post("/api/v1/auth/password/reset", json=body)).status_code == 200
    await browser.sign_in()
    assert (await browser.me() or {}).get("id") == person.id
    told = (await letters(person.email))[0].text
    assert "Sign-ins elsewhere that you linked still open the account" in told


async def test_a_code_that_waits_opens_nothing_once_its_sign_in_is_unlinked(
    provider: FakeProvider, browser: Browser, a_person: Any, http: httpx.AsyncClient
) -> None:
    """Else whoever always kept a fresh one would come back after being shut out."""
    person = await a_person()
    identity = (await linked(person, browser)).json()

    async def collected(*, unlinked: bool) -> httpx.Response:
        verifier, challenge = pkce()
        code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
        if unlinked:
            assert (await unlink(person, identity)).status_code == 204
        return await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})

    assert (await collected(unlinked=False)).json()["user"]["id"] == person.id
    refused = await collected(unlinked=True)
    assert (refused.status_code, refused.json().get("code")) == (422, "openid_code_refused"), refused.text


async def test_the_last_way_in_stays(provider: FakeProvider, browser: Browser, http: httpx.AsyncClient) -> None:
    person = await _signed_in(browser, http)
    (only,) = (await person.ask("GET", "me/identities")).json()["items"]
    answer = await unlink(person, only)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_way_in")
    assert (await person.ask("GET", "me/identities")).json()["items"] == [only]
    provider.person["sub"] = "another"
    second = (await linked(person, browser)).json()
    # Both at the same moment: one of them stays, or both do.
    answers = await asyncio.gather(*(unlink(person, identity) for identity in (only, second)))
    assert 409 in {answer.status_code for answer in answers}
    left = (await person.ask("GET", "me/identities")).json()["items"]
    assert len(left) >= 1
    # With a password, all may go.
    from django.contrib.auth.hashers import make_password

    await database().users.update_one({"email": person.email}, {"$set": {"password": make_password(PASSWORD)}})
    for identity in left:
        assert (await unlink(person, identity)).status_code == 204


async def test_an_identity_of_a_provider_that_is_gone_is_still_listed(
    provider: FakeProvider, browser: Browser, a_person: Any, configured: Callable[..., None]
) -> None:
    person = await a_person()
    await linked(person, browser)
    configured(OPENID_PROVIDERS="")
    (identity,) = (await person.ask("GET", "me/identities")).json()["items"]
    assert (identity["provider"], identity["title"]) == (None, provider.issuer)
    assert (await person.ask("POST", "me/identities/example/start")).status_code == 404
    assert (await unlink(person, identity)).status_code == 204
