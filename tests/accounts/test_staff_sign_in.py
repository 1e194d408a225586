"""Guessing at the staff console's door: the same windows as at the API's."""

import itertools
from uuid import uuid4

import httpx
import pytest_asyncio
from asgiref.sync import sync_to_async

from accounts.models import User
from tests.accounts.conftest import PASSWORD

TOO_OFTEN = "Too many attempts. Wait a moment."


async def at_the_door(http: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    """One sign-in through the form, as a browser sends it."""
    await http.get("/admin/login/")
    fields = {"username": email, "password": password, "csrfmiddlewaretoken": http.cookies["eloquent_csrf"]}
    return await http.post("/admin/login/", data={**fields, "next": "/admin/"})


@pytest_asyncio.fixture
async def staff() -> str:
    """The email of a member of staff."""
    email = f"{uuid4().hex[:12]}@example.org"
    await sync_to_async(User.objects.create_user)(email=email, password=PASSWORD, is_staff=True)
    return email


async def test_guessing_a_staff_password_ends_and_the_right_one_is_not_told(
    http: httpx.AsyncClient, staff: str
) -> None:
    for _ in range(10):
        assert TOO_OFTEN not in (await at_the_door(http, staff, "a wrong password")).text
    refused = await at_the_door(http, staff.upper(), PASSWORD)
    assert refused.status_code == 200
    assert TOO_OFTEN in refused.text
    assert "eloquent_staff" not in http.cookies
    body = {"email": staff, "password": PASSWORD}
    assert (await http.post("/api/v1/auth/login", json=body)).status_code == 429


async def test_the_right_password_of_staff_starts_the_count_anew(http: httpx.AsyncClient, staff: str) -> None:
    for _ in range(2):
        for _ in range(9):
            await at_the_door(http, staff, "a wrong password")
        assert (await at_the_door(http, staff, PASSWORD)).status_code == 302
        del http.cookies["sessionid"]  # the device stays known


async def test_an_email_left_out_is_asked_for(http: httpx.AsyncClient) -> None:
    answer = await at_the_door(http, "", "")
    assert answer.status_code == 200
    assert "This field is required." in answer.text


async def change(http: httpx.AsyncClient, old: str, new: str) -> httpx.Response:
    """One try to set another password, through the console's form."""
    assert (await http.get("/admin/password_change/")).status_code == 200
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return await http.post(
        "/admin/password_change/", data={**fields, "csrfmiddlewaretoken": http.cookies["eloquent_csrf"]}
    )


async def test_guesses_at_the_old_password_are_counted_with_those_at_the_api(
    http: httpx.AsyncClient, staff: str
) -> None:
    another = "three purple lanterns"
    tokens = (await http.post("/api/v1/auth/login", json={"email": staff, "password": PASSWORD})).json()
    assert (await http.get("/admin/password_change/")).status_code == 302
    await at_the_door(http, staff, PASSWORD)
    for _ in range(9):
        assert TOO_OFTEN not in (await change(http, "a wrong password", another)).text
    answer = await http.post(
        "/api/v1/auth/password/change",
        json={"current_password": "a wrong password", "new_password": another},
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
    )
    assert answer.json()["code"] == "wrong_password"
    refused = await change(http, PASSWORD, another)
    assert refused.status_code == 200
    assert TOO_OFTEN in refused.text
    user = await User.objects.aget(email=staff)
    assert await sync_to_async(user.check_password)(PASSWORD)


async def test_the_right_old_password_is_changed_and_starts_the_count_anew(http: httpx.AsyncClient, staff: str) -> None:
    passwords = [PASSWORD, "three purple lanterns", "seven green bicycles"]
    await at_the_door(http, staff, PASSWORD)
    for old, new in itertools.pairwise(passwords):
        for _ in range(9):
            await change(http, "a wrong password", new)
        assert (await change(http, old, new)).status_code == 302
        assert (await http.get("/admin/")).status_code == 200
    user = await User.objects.aget(email=staff)
    assert await sync_to_async(user.check_password)(passwords[-1])
