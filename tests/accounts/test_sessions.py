"""Refresh tokens and the sessions that they keep alive, through the API."""

import asyncio
import time
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from bson import ObjectId
from channels.layers import get_channel_layer

from accounts import authentication, liveness, notices, sessions, signing_in, store
from accounts.tokens import ACCESS_TOKEN_S, RefreshToken
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.commands import recorded_commands


async def session_of(person: Person) -> dict[str, Any]:
    """The session document behind a person's refresh token."""
    document = await database().sessions.find_one({"_id": RefreshToken.parse(person.refresh_token).session_id})
    assert document is not None
    return document


async def let_grace_pass(person: Person) -> None:
    """Put the last exchange of the person's session further back than the grace."""
    before = now() - sessions.GRACE - timedelta(milliseconds=1)
    await database().sessions.update_one({"_id": (await session_of(person))["_id"]}, {"$set": {"rotated_at": before}})


async def test_a_refresh_token_is_exchanged_for_a_working_pair(a_person: Any) -> None:
    person = await a_person()
    answer = await person.refresh()
    assert answer.status_code == 200
    grant = answer.json()
    assert grant["refresh_token"] != person.refresh_token
    person.use(grant)
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await person.refresh()).status_code == 200


async def test_no_refresh_token_is_stored_in_clear(a_person: Any) -> None:
    person = await a_person()
    first = person.refresh_token
    person.use((await person.refresh()).json())
    stored = repr(await session_of(person))
    for token in (first, person.refresh_token):
        parsed = RefreshToken.parse(token)
        for secret in (token, parsed.secret.hex(), parsed.lineage.hex(), repr(parsed.secret)):
            assert secret not in stored


async def test_two_tabs_that_refresh_at_once_both_go_on(a_person: Any) -> None:
    first_tab = await a_person()
    second_tab = Person(first_tab._http, (await first_tab.refresh()).json())
    first_tab.use((await first_tab.refresh()).json())  # the token that the other tab has just exchanged
    assert first_tab.refresh_token == second_tab.refresh_token
    for tab in (first_tab, second_tab):
        assert (await tab.ask("GET", "me")).status_code == 200
    await let_grace_pass(first_tab)
    first_tab.use((await first_tab.refresh()).json())
    assert (await first_tab.ask("GET", "me")).status_code == 200
    assert (await second_tab.ask("GET", "me")).status_code == 200


async def test_twenty_refreshes_of_one_token_at_once_end_in_one_living_lineage(a_person: Any) -> None:
    person = await a_person()
    answers = await asyncio.gather(*(person.refresh() for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    person.use(answers[7].json())
    assert (await person.refresh()).status_code == 200
    assert await database().sessions.count_documents({"user_id": ObjectId(person.id)}) == 1


async def test_an_exchanged_token_used_again_after_the_grace_ends_the_session(a_person: Any) -> None:
    thief = await a_person()
    owner = Person(thief._http, (await thief.refresh()).json())
    other_device = await owner.sign_in_again()
    await let_grace_pass(owner)
    answer = await thief.refresh()
    assert answer.status_code == 401
    assert answer.json()["code"] == "refresh_refused"
    assert (await owner.refresh()).status_code == 401
    assert (await owner.ask("GET", "me")).status_code == 401
    assert (await other_device.ask("GET", "me")).status_code == 200
    assert (await session_of(owner))["revoked_at"] is not None


async def test_a_token_two_exchanges_old_ends_the_session_even_within_the_grace(a_person: Any) -> None:
    thief = await a_person()
    owner = Person(thief._http, (await thief.refresh()).json())
    owner.use((await owner.refresh()).json())
    assert (await thief.refresh()).status_code == 401
    assert (await owner.refresh()).status_code == 401


async def test_who_knows_only_a_sessions_id_cannot_end_it(a_person: Any) -> None:
    person = await a_person()
    forged = RefreshToken.first(RefreshToken.parse(person.refresh_token).session_id)
    answer = await person._http.post("/api/v1/auth/refresh", json={"refresh_token": forged.text})
    assert answer.status_code == 401
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await person.refresh()).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "A" * 80, "é" * 80, "=" * 80, "A" * 79 + "\n", None])
async def test_what_is_no_refresh_token_is_refused(http: httpx.AsyncClient, token: str | None) -> None:
    answer = await http.post("/api/v1/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401
    assert answer.json()["code"] == "refresh_refused"


async def test_a_refresh_without_a_body_or_cookie_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/v1/auth/refresh")).status_code == 401


async def test_an_expired_session_cannot_be_refreshed_or_used(a_person: Any) -> None:
    person = await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    session_id = (await session_of(person))["_id"]
    await database().sessions.update_one({"_id": session_id}, {"$set": {"expires_at": now()}})
    liveness.forget(session_id)
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await person.refresh()).status_code == 401


async def test_a_session_in_use_ends_when_another_sign_in_is_due(a_person: Any) -> None:
    person = await a_person()
    other_device = await person.sign_in_again()
    session_id = (await session_of(person))["_id"]
    longest = timedelta(days=get_config().session_max_days)

    async def opened(ago: timedelta) -> None:
        await database().sessions.update_one({"_id": session_id}, {"$set": {"created_at": now() - ago}})
        liveness.forget(session_id)

    await opened(longest - timedelta(minutes=1))
    person.use((await person.refresh()).json())
    assert (await person.ask("GET", "me")).status_code == 200
    listed = (await person.ask("GET", "auth/sessions")).json()["items"]
    [ends_at] = [datetime.fromisoformat(each["expires_at"]) for each in listed if each["current"]]
    assert ends_at - now() <= timedelta(minutes=1)
    await opened(longest)
    assert (await person.ask("GET", "me")).status_code == 401
    answer = await person.refresh()
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_refused")
    assert await store.ended_among([session_id], at=now()) == {session_id}
    listed = (await other_device.ask("GET", "auth/sessions")).json()["items"]
    assert str(session_id) not in [each["id"] for each in listed]
    # It is still the memory of the device: whoever signs in anew there is not told of a stranger.
    assert (await session_of(person))["expires_at"] > now()


async def test_a_token_that_was_let_in_is_refused_from_its_last_second_on(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is verified once and remembered: whoever verified it looked at another time."""
    person = await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    over = time.time() + ACCESS_TOKEN_S
    monkeypatch.setattr(authentication, "time", SimpleNamespace(time=lambda: over))
    answer = await person.ask("GET", "me")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert (await person.refresh()).status_code == 200


async def test_signing_out_ends_access_at_once(a_person: Any) -> None:
    person = await a_person()
    other_device = await person.sign_in_again()
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await person.ask("POST", "auth/logout")).status_code == 204
    answer = await person.ask("GET", "me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await person.refresh()).status_code == 401
    assert (await other_device.ask("GET", "me")).status_code == 200


async def test_a_refresh_token_alone_can_sign_out(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    answer = await http.post("/api/v1/auth/logout", json={"refresh_token": person.refresh_token})
    assert answer.status_code == 204
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await http.post("/api/v1/auth/logout")).status_code == 401


async def test_access_ended_by_another_process_is_gone_when_the_second_is_over(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"at": 1_000.0}
    monkeypatch.setattr(liveness.time, "monotonic", lambda: clock["at"])
    person = await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    session_id = (await session_of(person))["_id"]
    await database().sessions.update_one({"_id": session_id}, {"$set": {"revoked_at": now()}})
    clock["at"] += liveness.LIFETIME_S + 0.001
    assert (await person.ask("GET", "me")).status_code == 401


async def test_a_session_is_asked_for_once_a_second_however_many_requests_come(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"at": 1_000.0}
    monkeypatch.setattr(liveness.time, "monotonic", lambda: clock["at"])
    person = await a_person()
    with recorded_commands() as commands:
        answers = await asyncio.gather(*(person.ask("GET", "auth/sessions") for _ in range(15)))
    assert {answer.status_code for answer in answers} == {200}
    reads = [command for command in commands if command.body.get("projection")]
    assert [command.collection for command in reads] == ["sessions", "users"]


async def test_sessions_are_listed_page_by_page_newest_first(a_person: Any) -> None:
    person = await a_person()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    devices = [await person.sign_in_again(**{"User-Agent": f"{firefox} {number}"}) for number in range(4)]
    answer = await devices[0].ask("POST", "auth/logout")
    assert answer.status_code == 204
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await person.ask("GET", "auth/sessions", params=params)).json()
        assert len(page["items"]) <= 2
        seen += page["items"]
        cursor = page["next_cursor"]
        pages += 1
    assert pages == 2
    tokens = [devices[3], devices[2], devices[1], person]
    assert [item["id"] for item in seen] == [str(RefreshToken.parse(t.refresh_token).session_id) for t in tokens]
    assert [item["current"] for item in seen] == [False, False, False, True]
    assert seen[0]["label"] == "Firefox on Linux"
    assert seen[0]["ip"] == "127.0.0.1"
    assert seen[0]["user_agent"].endswith("140.0 3")
    assert seen[0]["created_at"].endswith("Z")


async def test_the_list_of_sessions_is_read_from_an_index(a_person: Any) -> None:
    person = await a_person()
    page = [await person.sign_in_again() for _ in range(3)]
    assert page
    first = (await person.ask("GET", "auth/sessions", params={"limit": 1})).json()
    with recorded_commands() as commands:
        await person.ask("GET", "auth/sessions", params={"limit": 1, "cursor": first["next_cursor"]})
    (listing,) = [command.body for command in commands if command.collection == "sessions" and "sort" in command.body]
    plan = await database().command(
        "explain", {name: listing[name] for name in ("find", "filter", "sort", "limit")}, verbosity="executionStats"
    )
    text = repr(plan["queryPlanner"]["winningPlan"])
    assert "sessions_of_user" in text
    assert "COLLSCAN" not in text
    assert "'SORT'" not in text


@pytest.mark.parametrize("cursor", ["x", "W10", "bnVsbA", "WzEsMl0", "é", "A" * 501])
async def test_a_foreign_cursor_is_refused(a_person: Any, cursor: str) -> None:
    person = await a_person()
    assert (await person.ask("GET", "auth/sessions", params={"cursor": cursor})).status_code == 422


async def test_one_device_can_sign_out_another_and_nobody_elses(a_person: Any) -> None:
    person, stranger = await a_person(), await a_person()
    phone = await person.sign_in_again()
    phone_id = RefreshToken.parse(phone.refresh_token).session_id
    unknown = await stranger.ask("DELETE", f"auth/sessions/{ObjectId()}")
    another_users = await stranger.ask("DELETE", f"auth/sessions/{phone_id}")
    assert unknown.status_code == another_users.status_code == 404
    assert {**unknown.json(), "request_id": ""} == {**another_users.json(), "request_id": ""}
    assert (await phone.ask("GET", "me")).status_code == 200
    assert (await person.ask("DELETE", f"auth/sessions/{phone_id}")).status_code == 204
    assert (await phone.ask("GET", "me")).status_code == 401
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await person.ask("DELETE", f"auth/sessions/{phone_id}")).status_code == 404
    assert (await person.ask("DELETE", "auth/sessions/not-an-id")).status_code == 422


async def test_all_other_devices_can_be_signed_out_together(a_person: Any) -> None:
    person, stranger = await a_person(), await a_person()
    others = [await person.sign_in_again() for _ in range(3)]
    for other in others:
        assert (await other.ask("GET", "me")).status_code == 200
    assert (await person.ask("DELETE", "auth/sessions")).status_code == 204
    assert [(await other.ask("GET", "me")).status_code for other in others] == [401] * 3
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await stranger.ask("GET", "me")).status_code == 200


async def test_the_sockets_of_an_ended_session_are_told(a_person: Any) -> None:
    person = await a_person()
    phone = await person.sign_in_again()
    layer = get_channel_layer()
    mine, theirs = await layer.new_channel(), await layer.new_channel()
    await layer.group_add(notices.session_group(RefreshToken.parse(person.refresh_token).session_id), mine)
    await layer.group_add(notices.session_group(RefreshToken.parse(phone.refresh_token).session_id), theirs)
    assert (await person.ask("DELETE", "auth/sessions")).status_code == 204
    async with asyncio.timeout(20):
        assert await layer.receive(theirs) == {"type": "session.revoked"}
    assert (await person.ask("POST", "auth/logout")).status_code == 204
    async with asyncio.timeout(20):
        assert await layer.receive(mine) == {"type": "session.revoked"}


async def test_a_new_password_ends_all_sessions_but_the_one_that_set_it(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person()
    phone = await person.sign_in_again()
    old = Person(http, {"user": {"id": person.id, "email": person.email}, **_tokens(person)})
    new_password = "another good long password"
    answer = await person.ask(
        "POST", "auth/password/change", json={"current_password": PASSWORD, "new_password": new_password}
    )
    assert answer.status_code == 200
    person.use(answer.json())
    assert (await person.ask("GET", "me")).status_code == 200
    assert (await phone.ask("GET", "me")).status_code == 401
    assert (await phone.refresh()).status_code == 401
    # Tokens of this session from before mean nothing any more, and cannot end it either.
    assert (await old.ask("GET", "me")).status_code == 401
    assert (await old.refresh()).status_code == 401
    assert (await person.refresh()).status_code == 200
    credentials = {"email": person.email, "password": PASSWORD}
    assert (await http.post("/api/v1/auth/login", json=credentials)).status_code == 401
    credentials["password"] = new_password
    assert (await http.post("/api/v1/auth/login", json=credentials)).status_code == 200


async def test_a_token_from_after_a_change_is_good_where_the_change_is_not_known_yet(a_person: Any) -> None:
    """Another process remembers the session for a second with the version from before."""
    person = await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    session_id = RefreshToken.parse(person.refresh_token).session_id
    remembered = liveness._known[session_id]
    answer = await person.ask(
        "POST", "auth/password/change", json={"current_password": PASSWORD, "new_password": "another long password"}
    )
    person.use(answer.json())
    liveness._known[session_id] = remembered
    assert (await person.ask("GET", "me")).status_code == 200


async def test_a_wrong_current_password_changes_nothing(a_person: Any) -> None:
    person = await a_person()
    body = {"current_password": "not the password", "new_password": "another good long password"}
    answer = await person.ask("POST", "auth/password/change", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "wrong_password"
    body = {"current_password": PASSWORD, "new_password": "short"}
    answer = await person.ask("POST", "auth/password/change", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "new_password"]
    await person.sign_in_again()


async def test_a_sign_in_that_a_change_of_password_overtakes_opens_no_session(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    verify = signing_in.verify_password

    async def overtaken(password: str, encoded: str | None) -> Any:
        verdict = await verify(password, encoded)
        await database().users.update_one({"email": person.email}, {"$inc": {"token_version": 1}})
        return verdict

    monkeypatch.setattr(signing_in, "verify_password", overtaken)
    answer = await person._http.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 401
    newest = await database().sessions.find_one({"user_id": ObjectId(person.id)}, sort=[("_id", -1)])
    assert newest["revoked_at"] is not None


def _tokens(person: Person) -> dict[str, str]:
    return {"access_token": person.access_token, "refresh_token": person.refresh_token}
