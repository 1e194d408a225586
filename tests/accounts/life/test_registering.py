"""Who may make an account, and what registering tells of who has one."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.contrib.auth.models import Group

from accounts import passwords, store
from accounts.life import admission, limits
from accounts.life.errors import DomainNotAllowed, InvitationRequired
from accounts.life.invitations import invite
from accounts.models import User
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD
from tests.accounts.life.conftest import letter, letters
from tests.commands import recorded_commands


def an_address(domain: str = "example.org") -> str:
    return f"{uuid4().hex[:12]}@{domain}"


async def register(http: httpx.AsyncClient, email: str, **fields: Any) -> httpx.Response:
    return await http.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD, **fields})


async def an_invitation(email: str = "", **fields: Any) -> str:
    """The token of a new one."""
    _, address = await sync_to_async(invite)(email=email, **fields)
    return str(address.partition("#")[2])


# With the email proven first


async def test_registering_lets_nobody_in_before_the_email_is_proven(
    http: httpx.AsyncClient, settings_are: Any
) -> None:
    settings_are(email_verification="required")
    email = an_address()
    answer = await register(http, email, name="Ann")
    assert (answer.status_code, answer.json()) == (202, {"email": email, "verification": "sent"})
    assert "set-cookie" not in answer.headers
    first = await letter(email)
    body = {"email": email, "password": PASSWORD}
    wrong = await http.post("/api/v1/auth/login", json={**body, "password": "not the password"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert await letters() == []
    right = await http.post("/api/v1/auth/login", json=body)
    assert (right.status_code, right.json()["code"], right.json()["email"]) == (403, "email_not_verified", email)
    assert await database().sessions.find_one({}) is None
    # Whoever has the password may have lost the letter: there is another.
    second = await letter(email)
    assert (second.page, second.token != first.token) == ("verify-email", True)
    proof = {"token": first.token, "current_password": PASSWORD}
    assert (await http.post("/api/v1/auth/verify-email", json=proof)).status_code == 200
    signed_in = await http.post("/api/v1/auth/login", json=body)
    assert signed_in.status_code == 200
    assert signed_in.json()["user"]["name"] == "Ann"


async def test_registering_does_not_tell_who_has_an_account(
    http: httpx.AsyncClient, settings_are: Any, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    await letters()
    settings_are(email_verification="required")
    hashed: list[str] = []
    encode = passwords.Argon2Hasher.encode
    monkeypatch.setattr(
        passwords.Argon2Hasher, "encode", lambda *arguments: hashed.append("hash") or encode(*arguments)
    )

    async def asked(email: str) -> tuple[Any, int, list[str]]:
        hashed.clear()
        with recorded_commands() as commands:
            answer = await register(http, email)
            waited = [f"{c.name} {c.collection}" for c in commands if c.collection in ("users", "invitations")]
        varying = {"date", "x-request-id", "content-length", "ratelimit"}
        kept = {name: value for name, value in answer.headers.items() if name not in varying}
        told = {**answer.json(), "email": ""}
        return (answer.status_code, told, kept), len(hashed), waited[:1]

    free = await asked(an_address())
    assert [sent.subject for sent in await letters()] == ["Confirm your email address"]
    taken = await asked(person.email)
    assert free == taken == ((202, {"email": "", "verification": "sent"}, free[0][2]), 1, ["find users"])
    told = await letter(person.email)
    assert (told.subject, told.page) == ("You have an account already", "forgot-password")
    assert "#" not in told.text
    # Nothing of the account has changed.
    assert (await http.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})).json()[
        "code"
    ] == "email_not_verified"


async def test_a_mailbox_is_not_filled_by_registering_it(http: httpx.AsyncClient, settings_are: Any) -> None:
    settings_are(email_verification="required")
    email = an_address()
    statuses = [(await register(http, email)).status_code for _ in range(limits.REGISTER_BY_EMAIL.amount + 1)]
    assert statuses == [202] * limits.REGISTER_BY_EMAIL.amount + [429]
    # The first made the account, the others a letter that says so.
    subjects = [sent.subject for sent in await letters(email)]
    assert sorted(subjects) == ["Confirm your email address"] + ["You have an account already"] * 4


async def test_of_many_who_register_one_email_at_once_one_account_is_made(
    http: httpx.AsyncClient, settings_are: Any
) -> None:
    settings_are(email_verification="required")
    email = an_address()
    answers = await asyncio.gather(*(register(http, email) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(sent.subject for sent in await letters(email))[:2] == [
        "Confirm your email address",
        "You have an account already",
    ]
    assert await database().users.count_documents({"email": email}) == 1


# Who may


async def test_a_frontend_is_told_what_it_takes(http: httpx.AsyncClient, settings_are: Any) -> None:
    told = (await http.get("/api/v1/auth/registration")).json()
    assert told == {
        "mode": "open",
        "domains": None,
        "password": {"min": 10, "max": 256},
        "email_verification": "optional",
        "mail": True,
        "identity_providers": [],
    }
    settings_are(registration="domain", registration_domains=("example.org", "*.example.org"))
    told = (await http.get("/api/v1/auth/registration")).json()
    assert (told["mode"], told["domains"]) == ("domain", ["example.org", "*.example.org"])
    assert told["email_verification"] == "required"
    settings_are(mail_backend="off", registration="open")
    told = (await http.get("/api/v1/auth/registration")).json()
    assert (told["mail"], told["email_verification"]) == (False, "off")


async def test_where_it_is_closed_nobody_gets_in_not_even_with_an_invitation(
    http: httpx.AsyncClient, settings_are: Any
) -> None:
    token = await an_invitation()
    settings_are(registration="closed")
    for fields in ({}, {"invitation": token}):
        answer = await register(http, an_address(), **fields)
        assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    settings_are(registration="open")
    assert (await register(http, an_address(), invitation=token)).status_code == 201


async def test_an_email_of_the_domain_is_let_in_and_must_be_proven(http: httpx.AsyncClient, settings_are: Any) -> None:
    settings_are(registration="domain", registration_domains=("example.org",))
    refused = await register(http, an_address("sub.example.org"))
    assert (refused.status_code, refused.json()["code"]) == (403, "domain_not_allowed")
    assert (await register(http, an_address("EXAMPLE.org"))).status_code == 202
    # Staff may invite whom they like.
    guest = an_address("elsewhere.example")
    assert (await register(http, guest, invitation=await an_invitation(guest))).status_code == 201


@pytest.mark.parametrize(
    ("email", "domains", "inside"),
    [
        ("a@example.org", ("example.org",), True),
        ("a@sub.example.org", ("example.org",), False),
        ("a@sub.example.org", ("*.example.org",), True),
        ("a@deep.sub.example.org", ("*.example.org",), True),
        ("a@example.org", ("*.example.org",), False),
        ("a@badexample.org", ("*.example.org",), False),
        ("a@example.org.evil.com", ("example.org", "*.example.org"), False),
        ('"a@example.org"@evil.com', ("example.org",), False),
        ("a@bücher.example", ("xn--bcher-kva.example",), True),
        ("a@xn--bcher-kva.example", ("xn--bcher-kva.example",), True),
        ("a@BÜCHER.example", ("xn--bcher-kva.example",), True),
        ("a@straße.example", ("strasse.example",), False),
        ("a@ｅxample.org", ("example.org",), False),
        ("a@[127.0.0.1]", ("127.0.0.1",), False),
        ("a@", ("",), False),
    ],
)
def test_a_domain_is_compared_as_mail_servers_spell_it(email: str, domains: tuple[str, ...], inside: bool) -> None:
    assert admission.is_of_domains(email, domains) is inside


# Invitations


async def test_an_invitation_lets_one_person_in_and_into_their_group(
    http: httpx.AsyncClient, settings_are: Any
) -> None:
    settings_are(registration="invitation", email_verification="required")
    group = await sync_to_async(Group.objects.create)(name="Readers")
    email = an_address()
    assert (await register(http, email)).json()["code"] == "invitation_required"
    token = await an_invitation(email, group_id=group.pk, days=3)
    sent = await letter(email)
    assert (sent.page, sent.token) == ("accept-invitation", token)
    assert "within 3 days" in sent.text
    looked = await http.post("/api/v1/auth/invitation", json={"token": token})
    assert looked.json()["email"] == email
    assert (await register(http, an_address(), invitation=token)).json()["code"] == "invitation_invalid"
    # It came by letter to this address: there is nothing left to prove.
    answer = await register(http, email.upper(), invitation=token)
    assert answer.status_code == 201, answer.text
    assert answer.json()["user"]["email_verified"] is True
    joined = await sync_to_async(lambda: list(User.objects.get(email=email).groups.values_list("name", flat=True)))()
    assert joined == ["Readers"]
    again = await http.post("/api/v1/auth/invitation", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (403, "invitation_invalid")
    stored = await database().invitations.find_one({"email": email})
    assert stored["used_by_id"] == ObjectId(answer.json()["user"]["id"])
    assert token not in repr(stored)


async def test_of_many_with_one_open_invitation_one_gets_in(http: httpx.AsyncClient, settings_are: Any) -> None:
    settings_are(registration="invitation")
    token = await an_invitation()
    answers = await asyncio.gather(*(register(http, an_address(), invitation=token) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 5
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"invitation_invalid"}
    assert await database().users.count_documents({}) == 1


async def test_an_invitation_is_not_used_up_by_what_comes_to_nothing(
    http: httpx.AsyncClient, settings_are: Any, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    settings_are(registration="invitation")
    token = await an_invitation()
    assert (await register(http, person.email, invitation=token)).status_code == 409
    assert (await register(http, an_address(), password="short", invitation=token)).status_code == 422
    # Taken between the look and the write.
    monkeypatch.setattr(store, "user_by_email", lambda _email: _nobody())
    assert (await register(http, person.email, invitation=token)).status_code == 409
    monkeypatch.undo()
    settings_are(registration="invitation")
    assert (await register(http, an_address(), invitation=token)).status_code == 201


async def _nobody() -> None:
    return None


async def test_an_invitation_expires(http: httpx.AsyncClient, settings_are: Any) -> None:
    settings_are(registration="invitation")
    token = await an_invitation()
    stored = await database().invitations.find_one({})
    assert (stored["expires_at"] - stored["created_at"]).days == 14
    await database().invitations.update_one({}, {"$set": {"expires_at": now()}})
    assert (await register(http, an_address(), invitation=token)).json()["code"] == "invitation_invalid"
    for wrong in ("", "x" * 101, "a b"):
        assert (await register(http, an_address(), invitation=wrong)).json()["code"] == "invalid_input"


@pytest.mark.django_db
async def test_whoever_comes_with_a_proven_email_needs_no_token(settings_are: Any) -> None:
    """As an identity provider brings them: the invitation that was addressed to the email counts."""
    settings_are(registration="invitation")
    email = an_address()
    with pytest.raises(InvitationRequired):
        await admission.may_register(email, proven=True)
    await an_invitation(email)
    with pytest.raises(InvitationRequired):
        await admission.may_register(email)
    admitted = await admission.may_register(email, proven=True)
    assert admitted.proves_email
    await admission.use(admitted, ObjectId())
    with pytest.raises(InvitationRequired):
        await admission.may_register(email, proven=True)
    settings_are(registration="domain", registration_domains=("elsewhere.example",))
    with pytest.raises(DomainNotAllowed):
        await admission.may_register(email, proven=True)


def test_the_tests_leave_the_settings_as_they_were() -> None:
    assert get_config().registration == "open"
