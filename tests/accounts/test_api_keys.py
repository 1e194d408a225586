"""API keys: made, listed, revoked, and whom they let in."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from pymongo.errors import AutoReconnect

from accounts import api_key_access, api_keys, store
from accounts.limits import policies
from accounts.models import ApiKey, User
from accounts.revocation import revoke_api_key
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import Person

MODELS = "/v1/models"


async def key_of(person: Person, **fields: Any) -> dict[str, Any]:
    """A new key of the person, with its secret."""
    body = {"name": "Editor", "scopes": ["chat", "models"], **fields}
    answer = await person.ask("POST", "me/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def listed(person: Person) -> list[dict[str, Any]]:
    answer = await person.ask("GET", "me/api-keys")
    assert answer.status_code == 200
    return answer.json()["items"]


async def use(http: httpx.AsyncClient, key: dict[str, Any]) -> int:
    """The status of the simplest request with the key."""
    return (await http.get(MODELS, headers={"Authorization": f"Bearer {key['secret']}"})).status_code


def elsewhere(key: dict[str, Any]) -> None:
    """Let this process be one that has just used the key and hears nothing of what the others do to it."""
    assert hash_of(key["secret"]) in api_key_access._known


def a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known is outdated."""
    assert api_key_access.KNOWN_S <= 1
    clock = api_key_access.time.monotonic
    monkeypatch.setattr(api_key_access.time, "monotonic", lambda: clock() + api_key_access.KNOWN_S)


async def test_a_new_key_shows_its_secret_once(a_person: Any) -> None:
    person = await a_person()
    made = await key_of(person, name="  My editor ", scopes=["models", "chat"])
    secret = made.pop("secret")
    assert re.fullmatch(r"sk-eloquent-[0-9a-f]{64}", secret)
    assert made["name"] == "My editor"
    assert made["scopes"] == ["chat", "models"]
    assert secret.startswith(made["prefix"])
    assert len(made["prefix"]) == 20
    assert await listed(person) == [made]
    assert secret not in (await person.ask("GET", "me/api-keys")).text


async def test_a_key_is_not_stored_in_clear(a_person: Any) -> None:
    made = await key_of(await a_person())
    stored = await database().api_keys.find_one()
    assert made["secret"] not in repr(stored)
    assert made["secret"].removeprefix(made["prefix"])[:16] not in repr(stored)
    assert stored["hash"] == hash_of(made["secret"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"name": "\ud800"},
        {"name": None},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": ["chat", "*"]},
        {"scopes": "chat"},
        {"scopes": ["chat"] * 50},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00Z"},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": 2**63},
        {"expires_at": "soon"},
        {"hash": "0" * 64},
        {"user_id": "0" * 24},
    ],
    ids=repr,
)
async def test_a_key_that_cannot_be_is_refused(a_person: Any, wrong: dict[str, Any]) -> None:
    person = await a_person()
    body = {"name": "Editor", "scopes": ["chat"], **wrong}
    content = json.dumps(body)  # httpx would refuse the surrogate itself
    headers = {"Content-Type": "application/json"}
    refused = await person.ask("POST", "me/api-keys", content=content, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_input"
    assert await listed(person) == []


async def test_keys_are_listed_newest_first_in_pages(a_person: Any) -> None:
    person = await a_person()
    names = [(await key_of(person, name=f"Key {number}"))["name"] for number in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await person.ask("GET", "me/api-keys", params=query)).json()
        seen += [key["name"] for key in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == names[::-1]
    assert (await person.ask("GET", "me/api-keys", params={"cursor": "x"})).status_code == 422


async def test_another_users_keys_are_neither_shown_nor_revoked(http: httpx.AsyncClient, a_person: Any) -> None:
    ann, bob = await a_person(), await a_person()
    key = await key_of(ann)
    assert await listed(bob) == []
    assert (await bob.ask("DELETE", f"me/api-keys/{key['id']}")).status_code == 404
    assert await use(http, key) == 200
    assert (await ann.ask("DELETE", f"me/api-keys/{key['id']}")).status_code == 204


async def test_a_revoked_key_lets_nobody_in_and_is_not_listed(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    key, other = await key_of(person), await key_of(person)
    assert await use(http, key) == 200
    assert (await person.ask("DELETE", f"me/api-keys/{key['id']}")).status_code == 204
    assert await use(http, key) == 401
    assert await use(http, other) == 200
    assert [each["id"] for each in await listed(person)] == [other["id"]]
    assert (await person.ask("DELETE", f"me/api-keys/{key['id']}")).status_code == 404


async def test_a_key_revoked_in_another_process_is_refused_within_a_second(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    key = await key_of(person)
    assert await use(http, key) == 200
    elsewhere(key)
    await store.revoke_api_key(ObjectId(person.id), ObjectId(key["id"]), at=now())
    a_second_later(monkeypatch)
    assert await use(http, key) == 401


@pytest.mark.parametrize("how", ["expired", "deactivated", "deleted"])
async def test_a_key_is_refused_within_a_second_when_it_or_its_owner_is(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    person = await a_person()
    key = await key_of(person)
    assert await use(http, key) == 200
    elsewhere(key)
    if how == "expired":
        await database().api_keys.update_one({}, {"$set": {"expires_at": now()}})
    elif how == "deactivated":
        await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"is_active": False}})
    else:
        await sync_to_async(lambda: User.objects.get(pk=person.id).delete())()
        assert await database().api_keys.count_documents({}) == 0
    a_second_later(monkeypatch)
    assert await use(http, key) == 401


async def test_a_key_expires_at_its_moment_also_within_the_second_that_is_known(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=2)
    key = await key_of(await a_person(), expires_at=expires_at.isoformat())
    assert datetime.fromisoformat(key["expires_at"]) == expires_at.replace(
        microsecond=expires_at.microsecond // 1000 * 1000
    )
    assert await use(http, key) == 200
    monkeypatch.setattr(api_key_access, "now", lambda: now() + timedelta(days=2))
    assert await use(http, key) == 401


async def test_staff_revoke_a_key_at_once(http: httpx.AsyncClient, a_person: Any) -> None:
    key = await key_of(await a_person())
    assert await use(http, key) == 200
    revoke = sync_to_async(lambda: revoke_api_key(ApiKey.objects.get()))
    assert await revoke()
    assert await use(http, key) == 401
    assert not await revoke()


async def test_a_change_of_password_leaves_the_keys_alone(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    key = await key_of(person)
    change = {"current_password": "correct horse battery staple", "new_password": "another long password"}
    assert (await person.ask("POST", "auth/password/change", json=change)).status_code == 200
    assert await use(http, key) == 200


async def test_a_key_opens_no_route_of_the_session_interface(http: httpx.AsyncClient, a_person: Any) -> None:
    key = await key_of(await a_person())
    for path in ("me", "me/api-keys", "conversations", "models", "auth/sessions"):
        answer = await http.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key['secret']}"})
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "not_signed_in"


async def test_a_user_has_a_bounded_number_of_living_keys(a_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_OF_A_USER", 3)
    person = await a_person()
    kept = [await key_of(person) for _ in range(3)]
    body = {"name": "One more", "scopes": ["chat"]}
    refused = await person.ask("POST", "me/api-keys", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_api_keys")
    assert {key["id"] for key in await listed(person)} == {key["id"] for key in kept}
    await person.ask("DELETE", f"me/api-keys/{kept[0]['id']}")
    at_once = await asyncio.gather(*(person.ask("POST", "me/api-keys", json=body) for _ in range(6)))
    assert {answer.status_code for answer in at_once} <= {201, 409}
    assert len(await listed(person)) <= 3
    assert await database().api_keys.count_documents({}) <= 4


async def test_making_keys_is_throttled(a_person: Any) -> None:
    ann, bob = await a_person(), await a_person()
    made = [await ann.ask("POST", "me/api-keys", json={}) for _ in range(policies.KEYS_MADE.amount)]
    assert {answer.status_code for answer in made} == {422}
    refused = await ann.ask("POST", "me/api-keys", json={"name": "x", "scopes": ["chat"]})
    assert refused.status_code == 429
    assert refused.headers["Retry-After"]
    assert await key_of(bob)


async def test_the_last_use_is_noted_at_most_once_a_minute(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    key = await key_of(person)
    assert key["last_used_at"] is None
    noted: list[Any] = []
    note = store.note_api_key_used

    async def counted(*arguments: Any, **options: Any) -> None:
        noted.append(arguments)
        await note(*arguments, **options)

    monkeypatch.setattr(store, "note_api_key_used", counted)
    await asyncio.gather(*(use(http, key) for _ in range(5)))
    await api_key_access.settle_api_keys()
    [first] = await listed(person)
    assert abs(datetime.fromisoformat(first["last_used_at"]) - now()) < timedelta(seconds=30)
    a_second_later(monkeypatch)
    assert await use(http, key) == 200
    await api_key_access.settle_api_keys()
    assert len(noted) == 1
    at = now() + api_key_access.USE_NOTED_EVERY
    monkeypatch.setattr(api_key_access, "now", lambda: at)
    assert await use(http, key) == 200
    await api_key_access.settle_api_keys()
    assert len(noted) == 2
    assert [datetime.fromisoformat(each["last_used_at"]) for each in await listed(person)] == [at]


async def test_a_use_that_cannot_be_noted_is_let_in_all_the_same(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await key_of(await a_person())

    async def away(*_: Any, **__: Any) -> None:
        raise AutoReconnect("away")

    monkeypatch.setattr(store, "note_api_key_used", away)
    assert await use(http, key) == 200
    await api_key_access.settle_api_keys()


async def test_a_key_in_use_costs_one_look_a_second(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await key_of(await a_person())
    looks: list[str] = []
    look = store.api_key_in_force

    async def counted(key_hash: str, **options: Any) -> Any:
        looks.append(key_hash)
        return await look(key_hash, **options)

    monkeypatch.setattr(store, "api_key_in_force", counted)
    monkeypatch.setattr(api_key_access, "KNOWN_S", 60)
    assert await asyncio.gather(*(use(http, key) for _ in range(8))) == [200] * 8
    assert await use(http, key) == 200
    assert looks == [hash_of(key["secret"])]


async def test_wrong_keys_are_not_remembered(http: httpx.AsyncClient) -> None:
    before = len(api_key_access._known)
    for number in range(20):
        assert await use(http, {"secret": f"sk-eloquent-{number:064x}"}) == 401
    assert len(api_key_access._known) == before
    assert not api_key_access._reading
