"""Closing one's own account: everything ends at once, nothing is lost, and its owner comes back by a letter."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.models import User
from eloquent.foundation.database import database
from eloquent.foundation.errors import Unavailable
from tests.accounts.life.conftest import letter, letters
from tests.chat.conftest import LanguageModel, model  # noqa: F401 - a fixture
from tests.people import PASSWORD, Person

NEW = "a better horse battery staple"


@pytest_asyncio.fixture
async def ann(server: str) -> AsyncIterator[Person]:
    async with Person(server, f"ann-{uuid4().hex[:8]}") as ann:
        await letters()
        yield ann


async def close(person: Person, status: int = 204, password: str | None = PASSWORD) -> Any:
    body = {} if password is None else {"current_password": password}
    return await person.ok("POST", "/me/deactivate", status, json=body)


async def stored(person: Person) -> dict[str, Any]:
    document = await database().users.find_one({"email": person.email})
    assert document is not None
    return document


async def come_back(http: httpx.AsyncClient, email: str) -> httpx.Response | None:
    """By the letter; None when there came none."""
    assert (await http.post("/api/v1/auth/password/forgot", json={"email": email})).status_code == 202
    came = await letters(email)
    if not came:
        return None
    body = {"token": came[0].token, "new_password": NEW}
    return await http.post("/api/v1/auth/password/reset", json=body)


async def test_everything_ends_when_an_account_closes_and_its_owner_comes_back(
    ann: Person,
    http: httpx.AsyncClient,
    model: LanguageModel,  # noqa: F811 - the fixture's value
) -> None:
    key = (
        await ann.ok(
            "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "Editor", "scopes": ["models"]}
        )
    )["secret"]
    await letters()
    with_key = {"headers": {"Authorization": f"Bearer {key}"}}
    assert (await http.get("/v1/models", **with_key)).status_code == 200
    model.script = ["It begins", asyncio.Event()]
    run = await ann.ask(await ann.conversation(), "Hi")
    async with ann.device() as device:
        await close(ann)
        assert await device.close_code() == 4401
    assert (await ann.http.get("/me")).json()["code"] == "not_signed_in"
    assert (await http.get("/v1/models", **with_key)).json()["error"]["code"] == "invalid_api_key"
    refreshed = await http.post("/api/v1/auth/refresh", json={"refresh_token": ann.tokens["refresh_token"]})
    assert refreshed.json()["code"] == "refresh_refused"
    body = {"email": ann.email, "password": PASSWORD}
    assert (await http.post("/api/v1/auth/login", json=body)).json()["code"] == "wrong_credentials"
    ended = await database().runs.find_one({"_id": ObjectId(run["id"])})
    assert (ended["active"], ended["status"]) == (False, "stopped")
    told = await letter(ann.email)
    assert (told.subject, told.page) == ("Your account is closed", "forgot-password")
    assert (await stored(ann))["deactivated_by"] == "owner"

    back = await come_back(http, ann.email)
    assert back is not None
    assert back.status_code == 200
    fields = await stored(ann)
    assert (fields["is_active"], fields["deactivated_by"]) == (True, "")
    assert "is open again" in (await letter(ann.email)).text
    found = database().audit.find({"subject_id": fields["_id"]})
    actions = [entry["action"] async for entry in found]
    assert [actions.count(action) for action in (Action.DEACTIVATED, Action.REACTIVATED)] == [1, 1]


async def test_that_an_account_was_opened_again_is_on_record_also_when_its_letter_cannot_be_written(
    ann: Person, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise Unavailable(retry_after_s=2)

    await close(ann)
    await letters()
    monkeypatch.setattr("accounts.password_changes.post", broken)
    back = await come_back(http, ann.email)
    assert back is not None
    assert back.status_code == 503
    fields = await stored(ann)
    assert fields["is_active"]
    assert await database().audit.count_documents({"subject_id": fields["_id"], "action": Action.REACTIVATED}) == 1


async def test_it_takes_the_password(ann: Person) -> None:
    for password in ("not the password", None):
        assert (await close(ann, 422, password))["code"] == "wrong_password"
    assert (await stored(ann))["is_active"] is True
    assert await letters() == []


async def test_of_several_at_once_one_closes_it(ann: Person) -> None:
    body = {"current_password": PASSWORD}
    answers = await asyncio.gather(*(ann.http.post("/me/deactivate", json=body) for _ in range(4)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    # Passwords that are tried at the same moment are slowed down.
    assert set(statuses) <= {204, 401, 429}
    assert len(await letters()) == 1


@pytest.mark.parametrize("owner_first", [False, True])
async def test_what_staff_close_stays_closed(ann: Person, http: httpx.AsyncClient, owner_first: bool) -> None:
    if owner_first:
        await close(ann)

    def close_by_staff() -> str:
        user = User.objects.get(email=ann.email)
        user.is_active = False
        user.deactivated_by = "staff" if owner_first else ""
        user.save(update_fields=["is_active", "deactivated_by"] if owner_first else ["is_active"])
        return User.objects.get(email=ann.email).deactivated_by

    assert await sync_to_async(close_by_staff)() == "staff"
    await letters()
    assert await come_back(http, ann.email) is None

    def open_by_staff() -> str:
        user = User.objects.get(email=ann.email)
        user.is_active = True
        user.save()
        return User.objects.get(email=ann.email).deactivated_by

    assert await sync_to_async(open_by_staff)() == ""
    back = await come_back(http, ann.email)
    assert back is not None
    assert back.status_code == 200
