"""A new email: both addresses say yes, taken ones are not told, and an account is never left without one."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.life import limits
from accounts.tokens import RefreshToken
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.life.conftest import Letter, letters
from tests.commands import recorded_commands


def an_address() -> str:
    return f"new-{uuid4().hex[:12]}@example.org"


@pytest_asyncio.fixture
async def person(a_person: Any) -> Person:
    """Somebody whose email is proven."""
    someone: Person = await a_person()
    await database().users.update_one({"_id": ObjectId(someone.id)}, {"$set": {"email_verified_at": now()}})
    await letters()
    return someone


async def ask(person: Person, new: str, password: str | None = PASSWORD) -> httpx.Response:
    body = {"new_email": new, **({} if password is None else {"current_password": password})}
    return await person.ask("POST", "me/email", json=body)


async def both_letters(person: Person, new: str) -> tuple[Letter, Letter]:
    came = {each.to: each for each in await letters()}
    assert set(came) == {person.email, new}
    return came[person.email], came[new]


async def confirm(http: httpx.AsyncClient, sent: Letter) -> httpx.Response:
    assert sent.page == "confirm-email"
    return await http.post("/api/v1/auth/confirm-email", json={"token": sent.token})


@pytest.mark.parametrize("current_first", [True, False])
async def test_the_email_changes_when_both_addresses_have_said_yes(
    http: httpx.AsyncClient, person: Person, current_first: bool
) -> None:
    new = an_address()
    answer = await ask(person, f" {new.upper()} ")
    assert answer.status_code == 202
    assert {**answer.json(), "expires_at": ""} == {
        "new_email": new,
        "current_confirmed": False,
        "new_confirmed": False,
        "expires_at": "",
    }
    to_current, to_new = await both_letters(person, new)
    assert new in to_current.text
    order = [to_current, to_new] if current_first else [to_new, to_current]
    first = await confirm(http, order[0])
    waits_for = "new" if current_first else "current"
    assert first.json() == {"new_email": new, "changed": False, "waits_for": waits_for}
    state = (await person.ask("GET", "me/email")).json()
    assert (state["email"], state["pending"]["new_confirmed"]) == (person.email, not current_first)
    assert await letters() == []
    done = await confirm(http, order[1])
    assert done.json() == {"new_email": new, "changed": True, "waits_for": None}
    assert (await person.ask("GET", "me/email")).json() == {"email": new, "email_verified": True, "pending": None}
    # Who is signed in stays so, under the new email alone.
    assert (await person.ask("GET", "me")).json()["email"] == new
    told = {each.to: each.text for each in await letters()}
    assert set(told) == {person.email, new}
    assert new not in told[person.email]
    for email, status in ((person.email, 401), (new, 200)):
        body = {"email": email, "password": PASSWORD}
        assert (await http.post("/api/v1/auth/login", json=body)).status_code == status
    recorded = [each["action"] async for each in database().audit.find({"subject_id": ObjectId(person.id)})]
    assert {Action.EMAIL_CHANGE_ASKED, Action.EMAIL_CHANGED} <= set(recorded)


async def test_one_address_cannot_say_yes_for_both(http: httpx.AsyncClient, person: Person) -> None:
    new = an_address()
    await ask(person, new)
    _, to_new = await both_letters(person, new)
    answers = await asyncio.gather(*(confirm(http, to_new) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422, 422]
    assert (await person.ask("GET", "me")).json()["email"] == person.email


async def test_both_at_the_same_moment_change_it_once(http: httpx.AsyncClient, person: Person) -> None:
    new = an_address()
    await ask(person, new)
    answers = await asyncio.gather(*(confirm(http, sent) for sent in await both_letters(person, new)))
    assert sorted(answer.json()["changed"] for answer in answers) == [False, True]
    assert (await person.ask("GET", "me")).json()["email"] == new
    assert len(await letters()) == 2


async def test_an_address_that_was_never_proven_has_no_say(http: httpx.AsyncClient, a_person: Any) -> None:
    """So that a typing mistake can be mended: nobody reads the letters of the mistyped address."""
    person, new = await a_person(), an_address()
    await letters()
    assert (await ask(person, new)).json()["current_confirmed"] is None
    [to_new] = await letters()
    assert to_new.to == new
    assert (await confirm(http, to_new)).json()["changed"] is True
    assert (await person.ask("GET", "me")).json()["email_verified"] is True


async def test_a_taken_address_is_told_to_its_owner_alone(
    http: httpx.AsyncClient, person: Person, a_person: Any
) -> None:
    owner = await a_person()
    await letters()

    async def asked(new: str) -> tuple[dict[str, Any], list[str]]:
        await person.ask("GET", "me")  # so that the session is known to live
        with recorded_commands() as commands:
            answer = await ask(person, new)
            waited = [f"{c.name} {c.collection}" for c in commands if c.collection in ("users", "email_changes")]
        assert answer.status_code == 202
        return {**answer.json(), "new_email": "", "expires_at": ""}, waited

    free, free_waited = await asked(an_address())
    await letters()
    taken, taken_waited = await asked(owner.email)
    assert free == taken
    assert free_waited == taken_waited
    to_current, to_owner = await both_letters(person, owner.email)
    assert to_owner.subject == "This email address is in use already"
    assert "#" not in to_owner.text
    assert (await confirm(http, to_current)).json() == {
        "new_email": owner.email,
        "changed": False,
        "waits_for": "new",
    }
    assert (await person.ask("GET", "me")).json()["email"] == person.email


async def test_two_who_want_one_address_are_told_apart_by_the_index(
    http: httpx.AsyncClient, person: Person, a_person: Any
) -> None:
    other, new = await a_person(), an_address()
    await letters()
    for each in (person, other):
        assert (await ask(each, new)).status_code == 202
    sent = await letters()
    [to_current] = [each for each in sent if each.to == person.email]
    await confirm(http, to_current)
    answers = await asyncio.gather(*(confirm(http, each) for each in sent if each.to == new))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [lost] = [answer for answer in answers if answer.status_code == 409]
    assert lost.json()["code"] == "email_taken"
    emails = {(await each.ask("GET", "me")).json()["email"] for each in (person, other)}
    assert len(emails) == 2
    assert new in emails


async def test_a_later_wish_takes_the_place_of_an_earlier_one(http: httpx.AsyncClient, person: Person) -> None:
    first, second = an_address(), an_address()
    await ask(person, first)
    old = await both_letters(person, first)
    await ask(person, second)
    assert (await person.ask("GET", "me/email")).json()["pending"]["new_email"] == second
    for sent in old:
        assert (await confirm(http, sent)).json()["code"] == "link_not_valid"
    for sent in await both_letters(person, second):
        assert (await confirm(http, sent)).status_code == 200
    assert (await person.ask("GET", "me")).json()["email"] == second


@pytest.mark.parametrize("how", ["cancelled", "new password", "expired"])
async def test_a_wish_that_is_over_changes_nothing(http: httpx.AsyncClient, person: Person, how: str) -> None:
    new = an_address()
    await ask(person, new)
    sent = await both_letters(person, new)
    if how == "cancelled":
        for _ in range(2):
            assert (await person.ask("DELETE", "me/email")).status_code == 204
    elif how == "new password":
        body = {"current_password": PASSWORD, "new_password": "a better horse battery"}
        person.use((await person.ask("POST", "auth/password/change", json=body)).json())
    else:
        await database().email_changes.update_one({}, {"$set": {"expires_at": now()}})
    assert (await person.ask("GET", "me/email")).json()["pending"] is None
    for each in sent:
        assert (await confirm(http, each)).json()["code"] == "link_not_valid"
    assert (await person.ask("GET", "me")).json()["email"] == person.email


async def test_it_takes_the_password_and_another_address(person: Person) -> None:
    for password in ("not the password", None):
        answer = await ask(person, an_address(), password)
        assert (answer.status_code, answer.json()["code"]) == (422, "wrong_password")
        assert answer.json()["errors"][0]["loc"] == ["body", "current_password"]
    for new in (person.email.upper(), "no-at", "", "x" * 400, "a\n@example.org"):
        assert (await ask(person, new)).json()["code"] == "invalid_input"
    assert await letters() == []


async def test_whoever_has_no_password_has_signed_in_just_now(person: Person) -> None:
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"password": "!none"}})
    assert (await ask(person, an_address(), None)).status_code == 202
    session = RefreshToken.parse(person.refresh_token).session_id
    before = now() - timedelta(minutes=10, seconds=1)
    await database().sessions.update_one({"_id": session}, {"$set": {"created_at": before}})
    answer = await ask(person, an_address(), None)
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_too_old")


async def test_a_mailbox_is_not_filled_by_wanting_it(person: Person, a_person: Any) -> None:
    new, many = an_address(), limits.CHANGE_EMAIL_TO.amount
    asked = [await ask(person, new) for _ in range(many)]
    assert {answer.status_code for answer in asked} == {202}
    others = [await ask(await a_person(), new), await ask(person, an_address())]
    assert {answer.status_code for answer in others} == {429}
    assert len(await letters(new)) == many


async def test_a_domain_that_may_not_register_cannot_be_changed_to(person: Person, settings_are: Any) -> None:
    settings_are(registration="domain", registration_domains=("example.org",))
    assert (await ask(person, an_address())).status_code == 202
    answer = await ask(person, "ann@elsewhere.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "domain_not_allowed")
