"""Whatever takes an account out of the hands of whoever has it refuses every access token signed before."""

import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core.management import call_command

from accounts import liveness, models, revocation
from accounts.personal_data.closing import close_account
from accounts.second_factor.reset import reset_second_factor
from accounts.tokens import RefreshToken
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.life.conftest import letter, letters
from tests.accounts.test_desk_road import change_user

NEW_PASSWORD = "another good long password"


async def changed_by_the_user(person: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await person.ask("POST", "auth/password/change", json=body)).status_code == 200


async def set_by_staff(person: Person) -> None:
    await sync_to_async(change_user)(person.email, password=NEW_PASSWORD)


async def set_by_a_command(person: Person) -> None:
    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("getpass.getpass", lambda **_: NEW_PASSWORD)
            call_command("changepassword", person.email, stdout=io.StringIO())

    await sync_to_async(run)()


async def deactivated_by_staff(person: Person) -> None:
    await sync_to_async(change_user)(person.email, is_active=False)


async def deactivated_by_one_field(person: Person) -> None:
    def run() -> None:
        user = models.User.objects.get(email=person.email)
        user.is_active = False
        user.save(update_fields=["is_active"])

    await sync_to_async(run)()


async def closed_by_the_user(person: Person) -> None:
    answer = await person.ask("POST", "me/deactivate", json={"current_password": PASSWORD})
    assert answer.status_code == 204, answer.text


async def closed_for_its_erasure(person: Person) -> None:
    await close_account(ObjectId(person.id))


async def set_by_a_link(person: Person) -> None:
    await letters()
    asked = await person._http.post("/api/v1/auth/password/forgot", json={"email": person.email})
    assert asked.status_code == 202, asked.text
    body = {"token": (await letter(person.email)).token, "new_password": NEW_PASSWORD}
    answer = await person._http.post("/api/v1/auth/password/reset", json=body)
    assert answer.status_code == 200, answer.text


async def second_factor_taken_away(person: Person) -> None:
    def run() -> None:
        user = models.User.objects.get(email=person.email)
        models.SecondFactor.objects.create(user=user, totp_secret="sealed")
        assert reset_second_factor(user).any

    await sync_to_async(run)()


async def deleted(person: Person) -> None:
    await sync_to_async(lambda: models.User.objects.get(email=person.email).delete())()


WAYS: list[Callable[[Person], Awaitable[None]]] = [
    changed_by_the_user,
    set_by_staff,
    set_by_a_command,
    deactivated_by_staff,
    deactivated_by_one_field,
    closed_by_the_user,
    closed_for_its_erasure,
    set_by_a_link,
    second_factor_taken_away,
    deleted,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_every_way_raises_the_version_and_refuses_what_was_signed_before(
    a_person: Any, way: Callable[[Person], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, bystander = await a_person(), await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    session_id = RefreshToken.parse(person.refresh_token).session_id
    # The version alone: as if nobody ended the sessions.
    monkeypatch.setattr(revocation, "revoke_sessions_of_user", lambda *_, **__: 0)
    await way(person)
    user = await database().users.find_one({"_id": ObjectId(person.id)})
    if way is not deleted:
        assert user["token_version"] == 1
        # And it stays refused when the account is let in again.
        await database().users.update_one({"_id": user["_id"]}, {"$set": {"is_active": True}})
        await database().sessions.update_many({}, {"$set": {"revoked_at": None}})
    liveness.forget(session_id)
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await bystander.ask("GET", "me")).status_code == 200


async def test_what_changes_nobodys_hands_raises_nothing(a_person: Any) -> None:
    person = await a_person()
    await sync_to_async(change_user)(person.email, name="Renamed", is_staff=True)
    assert (await person.ask("PATCH", "me", json={"name": "Again"})).status_code == 200
    assert (await person.refresh()).status_code == 200
    assert (await database().users.find_one({"email": person.email}))["token_version"] == 0
