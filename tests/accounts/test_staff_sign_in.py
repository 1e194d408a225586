"""Guessing at the staff console's door: the same windows as at the API's."""

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
