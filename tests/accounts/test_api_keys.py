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
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.test_staff_sign_in import at_the_door

MODELS = "/v1/models"


async def key_of(person: Person, **fields: Any) -> dict[str, Any]:
    """A new key of the person, with its secret."""
    body = {"current_password": PASSWORD, "name": "Editor", "scopes": ["chat", "models"], **fields}
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
    body = {"current_password": PASSWORD, "name": "Editor", "scopes": ["chat"], **wrong}
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
    body = {"current_password": PASSWORD, "name": "One more", "scopes": ["chat"]}
    refused = await person.ask("POST", "me/api-keys", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_api_keys")
    assert {key["id"] for key in await listed(person)} == {key["id"] for key in kept}
    await person.ask("DELETE", f"me/api-keys/{kept[0]['id']}")
    at_once = await asyncio.gather(*(person.ask("POST", "me/api-keys", json=body) for _ in range(6)))
    # On a slow machine some find too many passwords being looked at already.
    assert {answer.status_code for answer in at_once} <= {201, 409, 429}
    assert len(await listed(person)) <= 3
    assert await database().api_keys.count_documents({}) <= 4


async def test_making_keys_is_throttled(a_person: Any) -> None:
    ann, bob = await a_person(), await a_person()
    made = [await ann.ask("POST", "me/api-keys", json={}) for _ in range(policies.KEYS_MADE.amount)]
    assert {answer.status_code for answer in made} == {422}
    refused = await ann.ask("POST", "me/api-keys", json={"current_password": PASSWORD, "name": "x", "scopes": ["chat"]})
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


async def change(person: Person, key: dict[str, Any], **fields: Any) -> httpx.Response:
    return await person.ask("PATCH", f"me/api-keys/{key['id']}", json=fields)


async def test_a_key_is_changed_in_what_is_named_and_in_nothing_else(http: httpx.AsyncClient, a_person: Any) -> None:
    ann, bob = await a_person(), await a_person()
    key = await key_of(ann, requests_per_minute=5)
    secret = key.pop("secret")
    assert key["requests_per_minute"] == 5
    changed = await change(ann, key, name=" Other ")
    assert changed.json() == {**key, "name": "Other"}
    assert (await change(ann, key, requests_per_minute=None)).json()["requests_per_minute"] is None
    assert await use(http, {"secret": secret}) == 200
    await api_key_access.settle_api_keys()
    changed = await change(ann, key, scopes=["chat"], requests_per_minute=7)
    key["last_used_at"] = changed.json()["last_used_at"]
    assert changed.json() == {**key, "name": "Other", "scopes": ["chat"], "requests_per_minute": 7}
    assert await use(http, {"secret": secret}) == 403, "at once"
    assert await listed(ann) == [changed.json()]
    assert (await change(bob, key, name="Mine")).status_code == 404
    recorded = await database().audit.find({"action": "api_key.changed"}).sort("number", 1).to_list()
    assert [json.loads(entry["facts"]) for entry in recorded] == [
        {"fields": fields} for fields in (["name"], ["requests_per_minute"], ["requests_per_minute", "scopes"])
    ]
    await ann.ask("DELETE", f"me/api-keys/{key['id']}")
    assert (await change(ann, key, name="Back")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": ""},
        {"name": None},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": None},
        {"requests_per_minute": 0},
        {"requests_per_minute": 2**63},
        {"requests_per_minute": "many"},
        {"expires_at": None},
        {"hash": "0" * 64},
    ],
    ids=repr,
)
async def test_a_change_that_cannot_be_is_refused(a_person: Any, wrong: dict[str, Any]) -> None:
    person = await a_person()
    key = await key_of(person)
    assert (await change(person, key, **wrong)).status_code == 422
    assert (await listed(person))[0]["scopes"] == ["chat", "models"]


async def test_a_key_has_its_own_limit_where_that_is_the_lower_one(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    slow, other, greedy = (
        await key_of(person, requests_per_minute=2),
        await key_of(person),
        await key_of(person, requests_per_minute=1_000_000),
    )
    assert [await use(http, slow) for _ in range(3)] == [200, 200, 429]
    assert await use(http, other) == 200
    answer = await http.get(MODELS, headers={"Authorization": f"Bearer {greedy['secret']}"})
    assert answer.headers["x-ratelimit-limit-requests"] == str(get_config().rate_limit_key_per_minute)
    await change(person, slow, requests_per_minute=4)
    assert await use(http, slow) == 200


async def test_a_key_for_vectors_makes_vectors_and_one_that_was_made_to_chat_goes_on_to(
    http: httpx.AsyncClient, a_person: Any
) -> None:
    person = await a_person()

    async def opens(scope: str) -> list[str]:
        key = await key_of(person, scopes=[scope])
        signed = {"Authorization": f"Bearer {key['secret']}"}
        message = {"model": "none/none", "messages": [{"role": "user", "content": "Hi"}]}
        answers = [
            await http.post("/v1/embeddings", json={"model": "none/none", "input": "Tea"}, headers=signed),
            await http.post("/v1/chat/completions", json=message, headers=signed),
            await http.get(MODELS, headers=signed),
        ]
        # Here is no model of either kind, which is found out behind the door.
        codes = [answer.json().get("error", {}).get("code", "open") for answer in answers]
        return ["open" if code in {"model_not_found", "no_model_available"} else code for code in codes]

    no = "missing_scope"
    assert await opens("embeddings") == ["open", no, no]
    assert await opens("chat") == ["open", "open", no]
    assert await opens("models") == [no, no, "open"]


async def test_staff_see_a_keys_limit_and_change_nothing_of_it(http: httpx.AsyncClient, a_person: Any) -> None:
    key = await key_of(await a_person(), requests_per_minute=4321)
    email = "root@example.org"
    await sync_to_async(User.objects.create_superuser)(email=email, password=PASSWORD)
    assert (await at_the_door(http, email, PASSWORD)).status_code == 302
    page = await http.get(f"/admin/accounts/apikey/{key['id']}/change/")
    assert page.status_code == 200
    assert re.search(r"4,?321", page.text)
    assert 'name="requests_per_minute"' not in page.text
    assert 'name="name"' not in page.text
