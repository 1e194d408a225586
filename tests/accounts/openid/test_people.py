"""Which account somebody has whom a provider sends."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.core import mail

from accounts import store
from accounts.mail.delivery import settle_mail
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.openid.conftest import Browser, named, pkce, told_in
from tests.fakes.openid import FakeProvider


async def verified(email: str, **changes: Any) -> None:
    """Have the user's email be proved."""
    changed = {"email_verified_at": datetime(2026, 5, 1, tzinfo=UTC), **changes}
    await database().users.update_one({"email": email}, {"$set": changed})


async def test_a_new_account_has_a_proved_email_and_no_password(
    provider: FakeProvider, browser: Browser, http: Any
) -> None:
    await browser.sign_in()
    user = await database().users.find_one({"email": "ada@example.org"})
    assert user["email_verified_at"] is not None
    assert user["password"].startswith("!")
    login = {"email": "ada@example.org", "password": "anything at all"}
    answer = await http.post("/api/v1/auth/login", json=login)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")


async def test_an_existing_account_is_opened_where_all_three_vouch_for_the_email(
    provider: FakeProvider, browser: Browser, a_person: Any
) -> None:
    person = await a_person()
    await verified(person.email)
    provider.person["email"] = person.email.upper()
    assert told_in(await browser.sign_in()) == {}
    me: Any = await browser.me()
    assert me["id"] == person.id
    await settle_mail()
    told = [letter.subject for letter in mail.outbox if letter.to == [person.email]]
    assert "Example now opens your Eloquent AI account" in told


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("the provider is not trusted", "openid_link_first"),
        ("the account's email is not proved", "openid_link_first"),
        ("the account is of staff", "openid_link_first"),
        ("the provider says it is not proved", "openid_email_unproven"),
        ("the provider does not say", "openid_link_first"),
        ("the provider gives none", "openid_email_unproven"),
        ("the account was deactivated", "openid_account_closed"),
    ],
)
async def test_otherwise_it_is_not(
    provider: FakeProvider,
    browser: Browser,
    a_person: Any,
    configured: Callable[..., None],
    what: str,
    code: str,
) -> None:
    person = await a_person()
    await verified(person.email)
    provider.person["email"] = person.email
    if what == "the provider is not trusted":
        named(configured, provider)
    elif what == "the account's email is not proved":
        await verified(person.email, email_verified_at=None)
    elif what == "the account is of staff":
        await verified(person.email, is_staff=True)
    elif what == "the provider says it is not proved":
        provider.person["email_verified"] = False
    elif what == "the provider does not say":
        del provider.person["email_verified"]
    elif what == "the provider gives none":
        del provider.person["email"]
    elif what == "the account was deactivated":
        await verified(person.email, is_active=False)
    assert told_in(await browser.sign_in()) == {"openid_error": code}
    assert await browser.me() is None
    assert await database().external_identities.count_documents({}) == 0
    assert await database().users.count_documents({}) == 1
    failed = await database().audit.find_one({"action": "session.sign_in_failed"})
    assert json.loads(failed["facts"]) == {"proof": "identity_provider", "provider": "example", "reason": code}
    # With the same account and the same person, once all is as it should be.
    await verified(person.email, is_staff=False, is_active=True)
    named(configured, provider, trusts_email=True)
    provider.person |= {"email": person.email, "email_verified": True}
    assert told_in(await browser.sign_in()) == {}


@pytest.mark.parametrize(
    ("claim", "changes", "code"),
    [
        (True, {"trusts_email": True, "registers": True}, None),
        (None, {"trusts_email": True, "registers": True}, None),
        (False, {"trusts_email": True, "registers": True}, "openid_email_unproven"),
        (True, {"trusts_email": True}, "openid_not_registered"),
        (True, {}, "openid_not_registered"),
        (None, {}, "openid_email_unproven"),
    ],
)
async def test_who_is_not_known_gets_an_account_where_the_operator_wants_it(
    provider: FakeProvider,
    browser: Browser,
    configured: Callable[..., None],
    claim: bool | None,
    changes: dict[str, bool],
    code: str | None,
) -> None:
    named(configured, provider, **changes)
    provider.claims = {"email_verified": claim}
    assert told_in(await browser.sign_in()).get("openid_error") == code
    assert await database().users.count_documents({}) == (0 if code else 1)


async def test_registration_is_asked_whether_it_is_open(
    provider: FakeProvider, browser: Browser, configured: Callable[..., None]
) -> None:
    for registration, domains in (("closed", ""), ("invitation", ""), ("domain", "example.net")):
        configured(REGISTRATION=registration, REGISTRATION_DOMAINS=domains)
        assert told_in(await browser.sign_in()) == {"openid_error": "openid_not_registered"}, registration
    assert await database().users.count_documents({}) == 0
    configured(REGISTRATION="domain", REGISTRATION_DOMAINS="example.org")
    assert told_in(await browser.sign_in()) == {}
    # Who has an account comes in, whoever else may make one.
    configured(REGISTRATION="closed", REGISTRATION_DOMAINS="")
    assert told_in(await browser.sign_in()) == {}


@pytest.mark.parametrize(("claim", "code"), [(True, None), (None, "openid_not_registered")])
async def test_an_invitation_counts_for_an_email_that_the_provider_says_is_proved(
    provider: FakeProvider, browser: Browser, configured: Callable[..., None], claim: bool | None, code: str | None
) -> None:
    await store.add_invitation(
        store.Invitation(
            id=ObjectId(),
            hash="a" * 64,
            email="ada@example.org",
            created_at=now(),
            expires_at=now() + timedelta(days=1),
        )
    )
    configured(REGISTRATION="invitation")
    provider.claims = {"email_verified": claim}
    assert told_in(await browser.sign_in()).get("openid_error") == code
    used = await database().invitations.find_one({})
    assert (used["used_at"] is None) == (code is not None)


async def test_of_many_first_sign_ins_at_once_there_is_one_account(
    provider: FakeProvider, a_browser: Callable[[], Browser]
) -> None:
    browsers = [a_browser() for _ in range(6)]
    addresses = [await browser.agree(await browser.start()) for browser in browsers]
    answers = await asyncio.gather(
        *(browser.come_back(address) for browser, address in zip(browsers, addresses, strict=True))
    )
    assert [told_in(answer) for answer in answers] == [{}] * 6
    assert len({(await browser.me() or {})["id"] for browser in browsers}) == 1
    assert await database().users.count_documents({}) == 1
    assert await database().external_identities.count_documents({}) == 1


async def test_an_identity_opens_its_account_whatever_email_it_has_by_now(
    provider: FakeProvider, browser: Browser, a_person: Any, configured: Callable[..., None]
) -> None:
    await browser.sign_in()
    first: Any = await browser.me()
    other = await a_person()
    await verified(other.email)
    provider.person["email"] = other.email
    named(configured, provider)  # neither trusted nor registering any more
    assert told_in(await browser.sign_in()) == {}
    me: Any = await browser.me()
    assert me["id"] == first["id"]
    identity = await database().external_identities.find_one()
    assert identity["email"] == other.email
    assert identity["last_used_at"] > identity["created_at"]


async def test_a_deactivated_user_is_refused(provider: FakeProvider, browser: Browser) -> None:
    await browser.sign_in()
    await verified("ada@example.org", is_active=False)
    assert told_in(await browser.sign_in()) == {"openid_error": "openid_account_closed"}
    await verified("ada@example.org", is_active=True)
    assert told_in(await browser.sign_in()) == {}


async def test_a_user_who_is_deactivated_while_the_code_waits_is_refused(
    provider: FakeProvider, browser: Browser, http: Any
) -> None:
    for active, status in ((False, 403), (True, 200)):
        verifier, challenge = pkce()
        await verified("ada@example.org", is_active=True)
        code = told_in(await browser.sign_in(code_challenge=challenge))["openid_code"]
        await verified("ada@example.org", is_active=active)
        answer = await http.post("/api/v1/auth/openid/exchange", json={"code": code, "code_verifier": verifier})
        assert answer.status_code == status, answer.text


async def test_who_was_deleted_begins_anew(provider: FakeProvider, browser: Browser) -> None:
    await browser.sign_in()
    before: Any = await browser.me()
    await database().users.delete_many({})
    assert told_in(await browser.sign_in()) == {}
    me: Any = await browser.me()
    assert me["id"] != before["id"]
    assert await database().external_identities.count_documents({}) == 1
