"""Passwords that staff or a command make up: in the console nothing is seen before another one is set."""

import io
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import throttle
from accounts.audit.actions import Action
from accounts.models import AuditEntry, User
from eloquent.foundation.clock import now
from tests.admin.conftest import PASSWORD, Talk, signed_in

pytestmark = pytest.mark.django_db

OWN = "three purple lanterns"
PAGE = "/admin/password_change/"


@pytest.fixture(autouse=True)
def _fresh_windows() -> None:
    throttle.forget_all()


def signed_in_with(email: str, password: str) -> Client:
    client = Client()
    client.post("/admin/login/", {"username": email, "password": password, "next": "/admin/"})
    return client


def changed(client: Client, old: str, new: str) -> Any:
    return client.post(PAGE, {"old_password": old, "new_password1": new, "new_password2": new})


@pytest.fixture
def boss(db: None) -> tuple[str, str]:
    """Email and password of a staff account that a command has made."""
    printed = io.StringIO()
    call_command("create_staff", "--email", "boss@example.org", stdout=printed)
    password = re.search(r"Password:\s+(\S+)", printed.getvalue())
    assert password
    assert "first sign-in, within 7 days" in printed.getvalue()
    return "boss@example.org", password[1]


def test_nothing_is_seen_before_an_own_password_is_set(boss: tuple[str, str], talk: Talk) -> None:
    email, password = boss
    client = signed_in_with(email, password)
    for path in ("/admin/", f"/admin/accounts/user/{talk.user.pk}/change/", "/admin/search/", "/admin/nowhere/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, PAGE), path
    assert client.post(f"/admin/accounts/user/{talk.user.pk}/delete/", {"post": "yes"})["Location"] == PAGE
    assert client.get(PAGE).status_code == 200
    assert changed(client, password, password).status_code == 200
    assert client.get("/admin/").status_code == 302
    assert changed(client, password, OWN).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert User.objects.get(email=email).password_expires_at is None
    assert signed_in_with(email, OWN).get("/admin/").status_code == 200


def test_after_a_week_a_given_password_opens_no_door(boss: tuple[str, str]) -> None:
    email, password = boss
    client = signed_in_with(email, password)
    assert client.get(PAGE).status_code == 200
    User.objects.filter(email=email).update(password_expires_at=now())
    # Neither for who is in already, nor for who comes.
    assert client.get(PAGE)["Location"].startswith("/admin/login/")
    answer = Client().post("/admin/login/", {"username": email, "password": password, "next": "/admin/"})
    assert answer.status_code == 200
    assert "not good any more" in answer.content.decode()


def test_a_password_that_staff_set_is_a_given_one_and_ones_own_is_not(
    root: Client, superuser: User, talk: Talk
) -> None:
    def page(user: User) -> str:
        return reverse("admin:auth_user_password_change", args=[user.pk])

    fields = {"password1": OWN, "password2": OWN, "usable_password": "true"}
    assert root.post(page(talk.user), fields).status_code == 302
    set_by_staff = User.objects.get(pk=talk.user.pk)
    assert set_by_staff.check_password(OWN)
    assert set_by_staff.password_expires_at is not None
    # One's own is changed where the old one is asked for.
    assert root.post(page(superuser), fields)["Location"] == PAGE
    assert User.objects.get(pk=superuser.pk).check_password(PASSWORD)
    without = {"usable_password": "false", "unset-password": "1"}
    assert root.post(page(talk.user), without).status_code == 302
    assert User.objects.get(pk=talk.user.pk).password_expires_at is None


def test_a_user_whom_staff_make_has_a_given_password(root: Client) -> None:
    data = {"email": "new@example.com", "name": "", "password1": OWN, "password2": OWN}
    assert root.post(reverse("admin:accounts_user_add"), data).status_code == 302
    made = User.objects.get(email="new@example.com")
    assert made.password_expires_at is not None
    # What else is changed of the user leaves it as it is.
    saved = {"email": made.email, "name": "Grace", "is_active": "on"}
    assert root.post(reverse("admin:accounts_user_change", args=[made.pk]), saved).status_code == 302
    assert User.objects.get(pk=made.pk).password_expires_at == made.password_expires_at


def test_a_password_that_an_operator_types_is_an_own_one(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OWN}\n"))
    call_command("create_staff", email="boss@example.org", password_stdin=True, stdout=io.StringIO())
    user = User.objects.get(email="boss@example.org")
    assert user.password_expires_at is None
    assert signed_in(user).get("/admin/").status_code == 200


def test_who_was_made_staff_by_a_command_is_on_record(boss: tuple[str, str]) -> None:
    user = User.objects.get(email=boss[0])
    [entry] = AuditEntry.objects.filter(action=Action.STAFF_MADE)
    assert (entry.subject_id, entry.actor_id, entry.target) == (user.pk, None, f"user:{user.pk}")
    assert boss[1] not in f"{entry.facts}{entry.private}"


def test_a_password_that_the_command_makes_up_for_its_own_reader_may_stay(db: None) -> None:
    printed = io.StringIO()
    call_command("create_staff", email="me@example.org", for_myself=True, stdout=printed)
    assert User.objects.get(email="me@example.org").password_expires_at is None
    assert "to be changed" not in printed.getvalue()
