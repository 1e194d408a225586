"""What is on record of an account, as its owner sees it: all of it, and nothing of anybody else."""

from typing import Any

import httpx
import pytest
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from tests.accounts.conftest import Person

STAFF = Device("198.51.100.99", "StaffBrowser/1.0")
STRANGER = Device("203.0.113.66", "curl/8.0")


async def seen_by(person: Person, **params: Any) -> dict[str, Any]:
    answer = await person.ask("GET", "me/activity", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_the_own_activity_is_listed_newest_first_page_by_page(a_person: Any, http: httpx.AsyncClient) -> None:
    person, other = await a_person(), await a_person()
    await http.post("/api/v1/auth/login", json={"email": person.email, "password": "not the password"})
    await other.sign_in_again()
    await person.sign_in_again(**{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await seen_by(person, limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        seen += page["items"]
        cursor = page["next_cursor"]
    assert [(each["action"], each["by"]) for each in seen] == [
        ("session.signed_in", "you"),
        ("session.sign_in_failed", "unknown"),
        ("session.signed_in", "you"),
        ("account.registered", "you"),
    ]
    assert [each["device"] for each in seen] == ["Firefox on Linux", *["Python program"] * 3]
    assert {each["ip"] for each in seen} == {"127.0.0.1"}
    assert [each["at"] for each in seen] == sorted((each["at"] for each in seen), reverse=True)


async def test_of_staff_no_more_is_shown_than_that_it_was_staff(a_person: Any) -> None:
    person, staff = await a_person(), ObjectId()
    me = ObjectId(person.id)
    for action in (Action.STAFF_CHANGED, Action.DEACTIVATED, Action.STAFF_VIEWED, Action.STAFF_SEARCHED):
        await record(action, actor=staff, subject=me, device=STAFF, email="staff@example.org", reason="abuse")
    # What the service does by itself, and a desk where nobody is named.
    await record(Action.SESSIONS_ENDED, subject=me, device=STAFF, many=3)
    await record(Action.SIGN_IN_FAILED, subject=me, device=STRANGER)
    answer = await person.ask("GET", "me/activity")
    items = answer.json()["items"]
    assert [(each["action"], each["by"], each["ip"], each["device"]) for each in items[:4]] == [
        ("session.sign_in_failed", "unknown", "203.0.113.66", "curl"),
        ("session.ended", "unknown", "", ""),
        ("account.deactivated", "staff", "", ""),
        ("staff.changed", "staff", "", ""),
    ]
    for secret in (STAFF.address, STAFF.user_agent, "staff@example.org", str(staff), "abuse", "staff.viewed"):
        assert secret not in answer.text


async def test_what_a_member_of_staff_did_to_others_is_not_their_own_activity(a_person: Any) -> None:
    staff, other = await a_person(), await a_person()
    await record(Action.STAFF_CHANGED, actor=ObjectId(staff.id), subject=ObjectId(other.id), device=STAFF)
    assert "staff.changed" not in {each["action"] for each in (await seen_by(staff))["items"]}
    assert "staff.changed" in {each["action"] for each in (await seen_by(other))["items"]}


async def test_a_person_who_was_erased_left_no_trace_in_it(a_person: Any) -> None:
    from accounts import store

    person = await a_person()
    await store.erase_private_parts_of(ObjectId(person.id))
    items = (await seen_by(person))["items"]
    assert {(each["ip"], each["device"], each["user_agent"]) for each in items} == {("", "", "")}


@pytest.mark.parametrize("cursor", ["x", "W10", "bnVsbA", "WzAuNV0", "WzBd", "W3RydWVd", "Wy0xXQ", "é", "A" * 501])
async def test_a_foreign_cursor_is_refused(a_person: Any, cursor: str) -> None:
    person = await a_person()
    assert (await person.ask("GET", "me/activity", params={"cursor": cursor})).status_code == 422
