"""Doors by which an account that is to be erased might be open again, in the days in which that can be taken back."""

import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core import mail

import accounts.store
from accounts.life.beside import settle_beside
from accounts.mail.delivery import settle_mail
from accounts.models import User
from accounts.personal_data import asking
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.personal_data.conftest import asked
from tests.people import PASSWORD, Person

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An erasure begins after a week."""
    settings = get_config().model_copy(update={"erasure_grace_days": 7})
    monkeypatch.setattr(asking, "get_config", lambda: settings)


async def test_what_staff_close_meanwhile_stays_closed_when_an_erasure_is_taken_back(ann: Person) -> None:
    owner = ObjectId(ann.tokens["user"]["id"])
    await asked(ann)
    user = await User.objects.aget(pk=owner)
    user.deactivated_by = "staff"
    await sync_to_async(user.save)()
    [erasure] = await database()["erasures"].find({}).to_list()
    assert await asking.take_back_at_desk(erasure["_id"], staff=ObjectId())
    credentials = {"email": ann.email, "password": PASSWORD}
    assert (await ann.http.post("/auth/login", json=credentials)).status_code == 401


async def test_an_account_that_is_to_be_erased_is_not_opened_by_a_forgotten_password(ann: Person) -> None:
    """Its owner had closed it, and then staff asked for its erasure."""
    owner = ObjectId(ann.tokens["user"]["id"])

    async def link_asked_for() -> list[str]:
        await settle_beside()
        await settle_mail()
        mail.outbox.clear()
        assert (await ann.http.post("/auth/password/forgot", json={"email": ann.email})).status_code == 202
        await settle_beside()
        await settle_mail()
        return [letter.body.partition("/account/reset-password#")[2].split()[0] for letter in mail.outbox]

    await ann.ok("POST", "/me/deactivate", 204, json={"current_password": PASSWORD})
    [token] = await link_asked_for()
    user = await accounts.store.user_by_id(owner)
    assert user is not None
    asked_for = await asking.ask_for_erasure(user, staff=ObjectId())
    body = {"token": token, "new_password": "a better horse battery staple"}
    assert (await ann.http.post("/auth/password/reset", json=body)).json()["code"] == "link_not_valid"
    assert await link_asked_for() == []
    assert await asking.take_back_at_desk(asked_for.erasure.id, staff=ObjectId())
    [token] = await link_asked_for()
    assert (await ann.http.post("/auth/password/reset", json={**body, "token": token})).status_code == 200
