"""Proving an email by a letter: once, for a while, for this account as it was."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId

from accounts.cookies import REFRESH_COOKIE
from accounts.life import limits
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD
from tests.accounts.life.conftest import letter, letters
from tests.commands import recorded_commands


async def use(http: httpx.AsyncClient, token: str, path: str = "auth/verify-email", **fields: Any) -> httpx.Response:
    proof = {"current_password": PASSWORD} if path == "auth/verify-email" else {}
    return await http.post(f"/api/v1/{path}", json={"token": token, **proof, **fields})


async def test_a_letter_proves_the_email_and_signs_nobody_in(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    assert (await person.ask("GET", "me")).json()["email_verified"] is False
    sent = await letter(person.email)
    assert sent.page == "verify-email"
    answer = await use(http, sent.token)
    assert answer.status_code == 200
    assert answer.json() == {"email": person.email, "email_verified": True}
    assert "set-cookie" not in answer.headers
    assert (await person.ask("GET", "me")).json()["email_verified"] is True


async def test_a_link_is_used_once_also_when_twenty_use_it_at_once(http: httpx.AsyncClient, a_person: Any) -> None:
    token = (await letter((await a_person()).email)).token
    answers = await asyncio.gather(*(use(http, token) for _ in range(20)))
    assert [answer.status_code for answer in answers].count(200) == 1
    # The tries at the password have a bound, whatever came of them.
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} <= {"link_not_valid", "throttled"}


async def test_a_letter_proves_nothing_for_whoever_registered_anothers_address(
    http: httpx.AsyncClient, a_person: Any
) -> None:
    """The owner of the address opens the link, curious, and does not know the password."""
    stranger = await a_person()
    token = (await letter(stranger.email)).token
    for proof in ({"current_password": None}, {"current_password": "a guess"}):
        refused = await use(http, token, **proof)
        assert (refused.status_code, refused.json()["code"]) == (422, "wrong_password")
        assert refused.json()["errors"][0]["loc"] == ["body", "current_password"]
    assert (await stranger.ask("GET", "me")).json()["email_verified"] is False
    assert (await use(http, token)).status_code == 200


@pytest.mark.parametrize(
    ("whose", "origin", "status"),
    [("own", True, 200), ("another's", True, 422), ("ended", True, 422), ("own", False, 403)],
)
async def test_in_a_browser_that_is_signed_in_the_token_is_enough(
    http: httpx.AsyncClient, a_person: Any, server: str, whose: str, origin: bool, status: int
) -> None:
    person = await a_person()
    token = (await letter(person.email)).token
    by = await a_person() if whose == "another's" else person
    cookie = {"Cookie": f"{REFRESH_COOKIE}={by.refresh_token}"} | ({"Origin": server} if origin else {})
    if whose == "ended":
        await person.ask("POST", "auth/logout")
    answer = await http.post("/api/v1/auth/verify-email", json={"token": token}, headers=cookie)
    assert answer.status_code == status, answer.text


async def test_the_database_has_no_token(a_person: Any) -> None:
    token = (await letter((await a_person()).email)).token
    assert len(token) == 43
    stored = [repr(document) async for document in database().account_links.find({})]
    assert any(hash_of(token) in text for text in stored)
    assert not any(token in text for text in stored)
    outbox = [repr(document) async for document in database().outgoing_mail.find({})]
    assert outbox == []


async def test_a_link_that_has_expired_does_nothing(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    token = (await letter(person.email)).token
    links = database().account_links
    stored = await links.find_one({"hash": hash_of(token)})
    assert stored["expires_at"] - stored["created_at"] == timedelta(days=3)
    # MongoDB deletes what has expired about once a minute: until then it is refused.
    await links.update_one({"hash": hash_of(token)}, {"$set": {"expires_at": now()}})
    assert (await use(http, token)).json()["code"] == "link_not_valid"
    assert (await person.ask("GET", "me")).json()["email_verified"] is False


@pytest.mark.parametrize("path", ["auth/password/reset", "auth/confirm-email"])
async def test_a_link_does_what_it_is_for_and_nothing_else(http: httpx.AsyncClient, a_person: Any, path: str) -> None:
    token = (await letter((await a_person()).email)).token
    more = {"new_password": "a better horse battery"} if "reset" in path else {}
    assert (await use(http, token, path, **more)).json()["code"] == "link_not_valid"
    assert (await use(http, token)).status_code == 200


@pytest.mark.parametrize("change", ["email", "password", "deactivated"])
async def test_a_link_dies_when_the_account_changes(http: httpx.AsyncClient, a_person: Any, change: str) -> None:
    person = await a_person()
    token = (await letter(person.email)).token
    if change == "password":
        body = {"current_password": PASSWORD, "new_password": "a better horse battery"}
        person.use((await person.ask("POST", "auth/password/change", json=body)).json())
    else:
        fields = {"email": {"email": f"{ObjectId()}@example.org"}, "deactivated": {"is_active": False}}[change]
        await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": fields})
    assert (await use(http, token)).json()["code"] == "link_not_valid"
    stored = await database().users.find_one({"_id": ObjectId(person.id)})
    assert stored["email_verified_at"] is None


@pytest.mark.parametrize("token", ["", " ", "x" * 101, "a b", "é", "\u0000", None, 7, ["a"]])
async def test_what_is_no_token_is_refused(http: httpx.AsyncClient, token: Any) -> None:
    for path in ("auth/verify-email", "auth/confirm-email", "auth/invitation"):
        answer = await use(http, token, path)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_a_token_nobody_was_given_is_refused_at_the_cost_of_one_look(http: httpx.AsyncClient) -> None:
    with recorded_commands() as commands:
        answer = await use(http, "A" * 43)
    assert answer.json()["code"] == "link_not_valid"
    assert [command.name for command in commands if command.collection == "account_links"] == ["find"]


async def test_the_letter_is_sent_again_to_its_owner_and_not_too_often(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    first = await letter(person.email)
    for _ in range(limits.VERIFY_BY_USER.amount):
        answer = await person.ask("POST", "auth/verify-email/resend")
        assert (answer.status_code, answer.json()) == (202, {"email": person.email})
    refused = await person.ask("POST", "auth/verify-email/resend")
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    again = await letters(person.email)
    assert len({sent.token for sent in again}) == limits.VERIFY_BY_USER.amount
    # The first letter may be the one that is opened; with it the others are done.
    assert (await use(http, first.token)).status_code == 200
    assert (await use(http, again[0].token)).status_code == 422


async def test_what_is_proven_is_not_asked_again(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    await use(http, (await letter(person.email)).token)
    answer = await person.ask("POST", "auth/verify-email/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await letters(person.email) == []


async def test_where_it_is_off_no_letter_is_sent(a_person: Any, settings_are: Any) -> None:
    settings_are(email_verification="off")
    person = await a_person()
    assert await letters(person.email) == []


async def test_where_mail_is_off_everybody_is_told_so(
    http: httpx.AsyncClient, a_person: Any, settings_are: Any
) -> None:
    person = await a_person()
    settings_are(mail_backend="off")
    asked = [
        await person.ask("POST", "auth/verify-email/resend"),
        await person.ask("POST", "me/email", json={"new_email": "x@example.org", "current_password": PASSWORD}),
        await http.post("/api/v1/auth/password/forgot", json={"email": person.email}),
        await http.post("/api/v1/auth/password/forgot", json={"email": "nobody@example.org"}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in asked} == {(503, "mail_is_off")}
    assert (await a_person()).email  # who registers is let in all the same
