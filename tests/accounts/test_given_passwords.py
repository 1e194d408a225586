"""Passwords that somebody else has made up: at the API they open nothing, and are exchanged for an own one."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async

from accounts import store
from accounts.models import User
from eloquent.foundation.clock import now
from tests.accounts.conftest import PASSWORD
from tests.accounts.second_factor.conftest import Clock, Owner, clock, owner, somebody

__all__ = ["clock", "owner", "somebody"]

OWN = "three purple lanterns"


async def log_in(http: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await http.post("/api/v1/auth/login", json={"email": email, "password": password})


async def exchange(http: httpx.AsyncClient, email: str, given: str = PASSWORD, new: str = OWN) -> httpx.Response:
    body = {"email": email, "given_password": given, "new_password": new}
    return await http.post("/api/v1/auth/password/own", json=body)


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")


@pytest_asyncio.fixture
async def given() -> str:
    """The email of somebody for whom staff have made the password up."""
    email = f"{uuid4().hex[:12]}@example.org"
    await sync_to_async(User.objects.create_user)(email, PASSWORD, password_is_given=True)
    return email


async def test_a_given_password_opens_nothing(http: httpx.AsyncClient, given: str) -> None:
    answer = await log_in(http, given, PASSWORD)
    assert said(answer) == (403, "password_change_required")
    assert answer.json()["page"].endswith("/account/own-password")
    assert answer.json()["page"] in answer.json()["detail"]
    assert said(await log_in(http, given, "a wrong password")) == (401, "wrong_credentials")


async def test_it_is_exchanged_for_an_own_one_once(http: httpx.AsyncClient, given: str) -> None:
    answer = await exchange(http, given)
    assert answer.status_code == 200, answer.text
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await http.get("/api/v1/me", headers=bearer)).json()["email"] == given
    assert (await log_in(http, given, OWN)).status_code == 200
    assert said(await log_in(http, given, PASSWORD)) == (401, "wrong_credentials")
    assert said(await exchange(http, given, new="seven green bicycles")) == (401, "wrong_credentials")
    # The own one is no given one, and here nobody changes a password without being signed in.
    assert said(await exchange(http, given, given=OWN, new="seven green bicycles")) == (401, "wrong_credentials")


@pytest.mark.parametrize("new", ["short", "Password2024!", PASSWORD])
async def test_the_own_one_keeps_the_rules_and_is_another(http: httpx.AsyncClient, given: str, new: str) -> None:
    answer = await exchange(http, given, new=new)
    assert said(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["loc"] == ["body", "new_password"]
    assert (await exchange(http, given)).status_code == 200


async def test_after_a_week_it_is_good_for_nothing(http: httpx.AsyncClient, given: str) -> None:
    user = await User.objects.aget(email=given)
    assert user.password_expires_at is not None
    assert timedelta(days=6) < user.password_expires_at - now() <= timedelta(days=7)
    await User.objects.filter(pk=user.pk).aupdate(password_expires_at=now())
    assert said(await log_in(http, given, PASSWORD)) == (401, "wrong_credentials")
    assert said(await exchange(http, given)) == (401, "wrong_credentials")


async def test_guesses_at_it_are_counted_with_those_at_the_sign_in(http: httpx.AsyncClient, given: str) -> None:
    for door in (log_in, exchange) * 5:
        assert said(await door(http, given, "a wrong password")) == (401, "wrong_credentials")
    assert said(await exchange(http, given)) == (429, "throttled")


async def test_the_second_factor_is_asked_for_as_ever(http: httpx.AsyncClient, owner: Owner, clock: Clock) -> None:
    user = await User.objects.aget(email=owner.email)
    user.set_password(PASSWORD)
    user.mark_password_as_given()
    await user.asave()
    answer = await exchange(http, owner.email)
    assert answer.status_code == 202, answer.text
    assert (await owner.answer(answer.json()["challenge"], code=owner.app.code())).status_code == 200


async def test_a_password_that_is_set_by_a_letter_is_an_own_one(http: httpx.AsyncClient, given: str) -> None:
    user = await store.user_by_email(given)
    assert user is not None
    changed = await store.reset_password(
        user.id, email=given, token_version=user.token_version, new=user.password, proves_email=True, at=now()
    )
    assert changed is not None
    assert changed.password_expires_at is None
    assert (await log_in(http, given, PASSWORD)).status_code == 200
