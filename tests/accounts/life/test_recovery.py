"""The forgotten password: a letter that tells nobody but its reader, and a link that takes the account back."""

import asyncio
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from pymongo.errors import AutoReconnect

from accounts.audit.actions import Action
from accounts.life import beside, limits, links, recovery
from accounts.models import User
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.life.conftest import letter, letters
from tests.accounts.test_api_keys import key_of
from tests.commands import recorded_commands
from tests.people import open_socket

NEW = "a better horse battery staple"


async def forgot(http: httpx.AsyncClient, email: str) -> httpx.Response:
    return await http.post("/api/v1/auth/password/forgot", json={"email": email})


async def reset(http: httpx.AsyncClient, token: str, password: str = NEW, **fields: Any) -> httpx.Response:
    return await http.post("/api/v1/auth/password/reset", json={"token": token, "new_password": password, **fields})


async def link_of(http: httpx.AsyncClient, email: str) -> str:
    """The token of a letter that was asked for just now."""
    await letters()
    assert (await forgot(http, email)).status_code == 202
    return (await letter(email)).token


async def sign_in(http: httpx.AsyncClient, email: str, password: str) -> int:
    return (await http.post("/api/v1/auth/login", json={"email": email, "password": password})).status_code


async def actions_on(person: Person) -> list[str]:
    found = database().audit.find({"subject_id": ObjectId(person.id)}).sort("number", 1)
    return [document["action"] async for document in found]


async def test_a_new_password_by_a_link_ends_all_that_the_old_one_had_opened(
    http: httpx.AsyncClient, a_person: Any, server: str
) -> None:
    person = await a_person()
    proof = {"token": (await letter(person.email)).token, "current_password": PASSWORD}
    assert (await http.post("/api/v1/auth/verify-email", json=proof)).status_code == 200
    key = (await key_of(person))["secret"]
    await letters()
    ticket = (await person.ask("POST", "auth/socket-ticket")).json()["ticket"]
    earlier = await link_of(http, person.email)
    async with open_socket(server, ticket) as socket:
        latest = await link_of(http, person.email)
        assert (await reset(http, earlier)).json()["code"] == "link_not_valid"  # the next one took its place
        answer = await reset(http, latest)
        assert answer.status_code == 200, answer.text
        assert await socket.close_code() == 4401
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await person.refresh()).status_code == 401
    assert await sign_in(http, person.email, PASSWORD) == 401
    assert await sign_in(http, person.email, NEW) == 200
    fresh = Person(http, answer.json())
    assert (await fresh.ask("GET", "me")).status_code == 200
    assert (await reset(http, latest, "yet another long password")).json()["code"] == "link_not_valid"
    told = await letter(person.email)
    assert told.subject == "Your password was changed"
    assert "API keys still work" in told.text
    models = await http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert models.status_code == 200
    done = [action for action in await actions_on(person) if action != Action.SIGN_IN_FAILED]
    asked = [Action.PASSWORD_RESET_ASKED] * 2
    assert done[-5:] == [*asked, Action.PASSWORD_RESET, Action.SIGNED_IN, Action.SIGNED_IN]


async def test_an_owner_who_proves_the_email_first_by_a_reset_shuts_out_whoever_had_registered_it(
    http: httpx.AsyncClient, a_person: Any
) -> None:
    stranger = await a_person()
    key = (await key_of(stranger))["secret"]
    grant = (await reset(http, await link_of(http, stranger.email))).json()
    assert grant["user"]["email_verified"] is True
    models = await http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert models.status_code == 401
    assert "API keys" not in (await letter(stranger.email)).text


async def test_nothing_tells_whether_there_is_an_account(http: httpx.AsyncClient, a_person: Any) -> None:
    person, closed = await a_person(), await a_person()
    await database().users.update_one({"_id": ObjectId(closed.id)}, {"$set": {"is_active": False}})
    await letters()

    async def asked(email: str) -> tuple[httpx.Response, list[str], int]:
        with recorded_commands() as commands:
            answer = await forgot(http, email)
            # What the answer waited for: the rest begins when it has gone.
            waited = [f"{c.name} {c.collection}" for c in commands if c.collection in ("users", "account_links")]
        return answer, waited, len(await letters())

    known, known_waited, known_letters = await asked(person.email)
    unknown, unknown_waited, unknown_letters = await asked("nobody@example.org")
    staffs, staffs_waited, staffs_letters = await asked(closed.email)
    assert known.status_code == unknown.status_code == staffs.status_code == 202
    assert known.json() == {"email": person.email}
    assert unknown.json() == {"email": "nobody@example.org"}
    assert known_waited[:1] == unknown_waited == staffs_waited == ["find users"]
    assert (known_letters, unknown_letters, staffs_letters) == (1, 0, 0)


async def test_the_answer_does_not_wait_for_the_letter(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    await letters()
    write = recovery.post
    gate = asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> None:
        await gate.wait()
        await write(*arguments, **options)

    monkeypatch.setattr(recovery, "post", slow)
    assert (await forgot(http, person.email)).status_code == 202
    gate.set()
    assert (await letter(person.email)).page == "reset-password"


async def test_a_mailbox_is_not_filled_whoever_it_belongs_to(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    for email in (person.email, "nobody@example.org"):
        statuses = [(await forgot(http, email.upper())).status_code for _ in range(limits.RESET_BY_EMAIL.amount + 1)]
        assert statuses == [202] * limits.RESET_BY_EMAIL.amount + [429]


async def test_of_two_links_at_the_same_moment_one_sets_the_password(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    first, second = await link_of(http, person.email), await link_of(http, person.email)
    words = ["first long password here", "second long password here"]
    answers = await asyncio.gather(*map(reset, [http] * 4, [first, second, first, second], words * 2))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]
    assert sorted([await sign_in(http, person.email, password) for password in words]) == [200, 401]


async def test_a_password_that_breaks_a_rule_leaves_the_link_as_it_was(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person(name="Grace Hopper")
    token = await link_of(http, person.email)
    for bad in ("short", "Password2024!", f"{person.email}", "Grace-Hopper-1", "x" * 257):
        answer = await reset(http, token, bad)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"][-1] == "new_password"
    assert await sign_in(http, person.email, PASSWORD) == 200
    assert (await reset(http, token)).status_code == 200


async def test_a_link_lives_for_an_hour(http: httpx.AsyncClient, a_person: Any) -> None:
    token = await link_of(http, (await a_person()).email)
    stored = await database().account_links.find_one({"hash": hash_of(token)})
    assert (stored["expires_at"] - stored["created_at"]).total_seconds() == 3600
    await database().account_links.update_one({"hash": hash_of(token)}, {"$set": {"expires_at": now()}})
    assert (await reset(http, token)).json()["code"] == "link_not_valid"


@pytest.mark.parametrize("by_update", [False, True])
async def test_whoever_is_closed_by_staff_meanwhile_stays_closed(
    http: httpx.AsyncClient, a_person: Any, by_update: bool
) -> None:
    person = await a_person()
    token = await link_of(http, person.email)

    def close() -> None:
        if by_update:  # of which no user's `save` hears
            User.objects.filter(pk=person.id).update(is_active=False)
            return
        user = User.objects.get(pk=person.id)
        user.is_active = False
        user.save()

    await sync_to_async(close)()
    assert (await reset(http, token)).json()["code"] == "link_not_valid"
    stored = await database().users.find_one({"_id": ObjectId(person.id)})
    assert (stored["is_active"], stored["deactivated_by"]) == (False, "" if by_update else "staff")


async def test_whoever_never_had_a_password_gets_one(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"password": "!none"}})
    assert (await reset(http, await link_of(http, person.email))).status_code == 200
    assert await sign_in(http, person.email, NEW) == 200


async def test_a_browser_gets_the_cookie_and_other_sites_nothing(
    http: httpx.AsyncClient, a_person: Any, server: str
) -> None:
    token = await link_of(http, (await a_person()).email)
    for headers in ({}, {"Origin": "https://evil.example"}):
        body = {"token": token, "new_password": NEW, "cookie": True}
        answer = await http.post("/api/v1/auth/password/reset", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    answer = await http.post("/api/v1/auth/password/reset", json=body, headers={"Origin": server})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    assert "eloquent_refresh=" in answer.headers["set-cookie"]


async def test_the_letters_link_leads_to_the_configured_place_whatever_the_request_says(
    http: httpx.AsyncClient, a_person: Any, settings_are: Any
) -> None:
    person = await a_person()
    await letters()
    settings_are(frontend_url="https://chat.example.org")
    body = {"email": person.email}
    await http.post("/api/v1/auth/password/forgot", json=body, headers={"X-Forwarded-Host": "evil.example"})
    text = (await letter(person.email)).text
    assert "https://chat.example.org/account/reset-password#" in text
    assert "evil" not in text


async def test_changing_the_password_is_told_to_the_owner_and_recorded(a_person: Any) -> None:
    person = await a_person()
    await letters()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await person.ask("POST", "auth/password/change", json=body)).status_code == 200
    told = await letter(person.email)
    assert (told.subject, told.page) == ("Your password was changed", "forgot-password")
    assert NEW not in told.text
    assert (await actions_on(person))[-1] == Action.PASSWORD_CHANGED


async def test_a_database_that_is_away_is_said_to_everybody_alike(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()

    async def away(_email: str) -> None:
        raise AutoReconnect("away")

    monkeypatch.setattr(recovery.store, "user_by_email", away)
    told = [await forgot(http, email) for email in (person.email, "nobody@example.org")]
    assert {(answer.status_code, answer.json()["code"]) for answer in told} == {(503, "unavailable")}


async def test_a_database_that_goes_away_beside_the_request_harms_nobody(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    await letters()

    async def away(_link: Any) -> None:
        raise AutoReconnect("away")

    with monkeypatch.context() as patch:
        patch.setattr(links.store, "add_link", away)
        assert (await forgot(http, person.email)).status_code == 202
        assert await letters() == []
    assert (await forgot(http, person.email)).status_code == 202
    assert (await letter(person.email)).page == "reset-password"


async def test_what_is_done_beside_requests_is_bounded(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    await letters()
    monkeypatch.setattr(beside, "MOST_AT_ONCE", 0)
    told = [await forgot(http, email) for email in (person.email, "nobody@example.org")]
    assert {(answer.status_code, answer.json()["code"]) for answer in told} == {(503, "unavailable")}


async def test_a_reset_that_stops_halfway_leaves_no_session_of_the_old_password(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    token = await link_of(http, person.email)

    async def dies(*_arguments: Any, **_options: Any) -> None:
        raise AutoReconnect("away")

    with monkeypatch.context() as patch:
        patch.setattr(recovery.store, "reset_password", dies)
        assert (await reset(http, token)).status_code == 503
    assert (await person.refresh()).status_code == 401
