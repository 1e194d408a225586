"""Staff and the life of accounts: invitations, who closed an account, letters about what staff changed."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts import store
from accounts.life.admission import Admission
from accounts.mail.delivery import settle_mail
from accounts.models import AccountLink, AuditEntry, Invitation, Session, User
from accounts.passwords import Argon2Hasher
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from tests.accounts.life.conftest import settings_are  # noqa: F401 - a fixture
from tests.admin.conftest import HASH, PASSWORD

pytestmark = pytest.mark.django_db

LIST = reverse("admin:accounts_invitation_changelist")
ADD = reverse("admin:accounts_invitation_add")


@pytest.fixture
def outbox() -> Callable[[], list[Any]]:
    """The letters since the last look."""
    from asgiref.sync import async_to_sync

    mail.outbox = []

    def look() -> list[Any]:
        async_to_sync(settle_mail)()
        came = [*mail.outbox]
        mail.outbox.clear()
        return came

    return look


@pytest.fixture
def ada() -> User:
    return User.objects.create(email="ada@example.com", password=HASH, email_verified_at=now())


def change_page(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def saved(root: Client, user: User, **fields: str) -> None:
    """Fill in and save the page of a user."""
    form = {"email": user.email, "name": user.name, "is_active": "on", **fields}
    answer = root.post(change_page(user), {name: value for name, value in form.items() if value})
    assert answer.status_code == 302, answer.content


def test_an_invitation_is_sent_and_its_link_shown_once(root: Client, superuser: User, outbox: Any) -> None:
    group = Group.objects.create(name="Readers")
    answer = root.post(ADD, {"email": " Guest@Example.com", "days": "3", "group": str(group.pk)})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    made = Invitation.objects.get()
    assert (made.email, made.group, made.invited_by) == ("guest@example.com", group, superuser)
    assert made.expires_at - made.created_at == timedelta(days=3)
    [letter] = outbox()
    assert letter.to == ["guest@example.com"]
    address = next(line for line in letter.body.splitlines() if line.startswith("http"))
    token = address.partition("#")[2]
    assert hash_of(token) == made.hash
    assert address in answer.content.decode()
    for path in (LIST, reverse("admin:accounts_invitation_change", args=[made.pk])):
        html = root.get(path).content.decode()
        assert "guest@example.com" in html
        assert token not in html
        assert made.hash not in html
    recorded = AuditEntry.objects.get(action="account.invited")
    assert (recorded.actor_id, recorded.target) == (superuser.pk, f"invitation:{made.pk}")
    assert token not in f"{recorded.facts}{recorded.private}"


def test_what_cannot_come_to_anything_is_said(root: Client, ada: User, settings_are: Any) -> None:  # noqa: F811
    for fields, said in (
        ({"email": "ADA@example.com", "days": "3"}, "There is an account"),
        ({"email": "no-at", "days": "3"}, "valid email"),
        ({"email": "a@b", "days": "3"}, "valid email"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": "91"}, "less than or equal to 90"),
        ({}, "required"),
    ):
        assert said in root.post(ADD, fields).content.decode(), fields
    settings_are(registration="closed")
    assert "REGISTRATION is closed" in root.post(ADD, {"days": "3"}).content.decode()
    assert not Invitation.objects.exists()


def test_who_may_invite_gives_no_rights_away(staff_with: Callable[..., Client]) -> None:
    group = Group.objects.create(name="Readers")
    host = staff_with("add_invitation", "view_invitation")
    assert "id_group" not in host.get(ADD).content.decode()
    assert host.post(ADD, {"days": "3", "group": str(group.pk)}).status_code == 200
    assert Invitation.objects.get().group is None
    looker = staff_with("view_invitation")
    assert looker.get(ADD).status_code == 403
    withdraw = {"action": "withdraw", "_selected_action": [str(Invitation.objects.get().pk)]}
    looker.post(LIST, withdraw)
    assert Invitation.objects.get().expires_at > now()
    host.post(LIST, withdraw)
    assert Invitation.objects.get().expires_at <= now()


def test_who_may_invite_cannot_take_anothers_email_for_proven(
    staff_with: Callable[..., Client],
    outbox: Any,
    settings_are: Any,  # noqa: F811
) -> None:
    """To register by an invitation proves its email: so its link is for whoever reads the letter."""
    host = staff_with("add_invitation", "view_invitation")
    shown = host.post(ADD, {"email": "victim@example.com", "days": "3"}).content.decode()
    [letter] = outbox()
    token = next(line for line in letter.body.splitlines() if line.startswith("http")).partition("#")[2]
    assert token not in shown
    assert "invitation-link" not in shown
    # Where no letter goes, staff hand the link on, and it proves nothing.
    settings_are(mail_backend="off")
    shown = host.post(ADD, {"email": "other@example.com", "days": "3"}).content.decode()
    assert "invitation-link" in shown
    found = Invitation.objects.get(email="other@example.com")
    kept = store.Invitation(
        id=found.pk, hash=found.hash, email=found.email, created_at=found.created_at, expires_at=found.expires_at
    )
    assert not Admission(found.email, kept).proves_email
    settings_are(mail_backend="console")
    assert Admission(found.email, kept).proves_email


def test_the_command_invites(settings_are: Any, ada: User, outbox: Any) -> None:  # noqa: F811
    Group.objects.create(name="Readers")
    printed = io.StringIO()
    call_command("invite", "Guest@example.com", group="Readers", days=2, stdout=printed)
    [letter] = outbox()
    address = next(line for line in letter.body.splitlines() if line.startswith("http"))
    assert address in printed.getvalue()
    call_command("invite", stdout=printed)
    assert outbox() == []
    assert list(Invitation.objects.values_list("email", "group__name").order_by("created_at")) == [
        ("guest@example.com", "Readers"),
        ("", None),
    ]
    for arguments in (["no-at"], ["ada@example.com"], ["--group", "Nobody"], ["--days", "0"]):
        with pytest.raises(CommandError):
            call_command("invite", *arguments)
    settings_are(registration="closed")
    with pytest.raises(CommandError, match="closed"):
        call_command("invite")


def test_who_closed_an_account_is_shown_and_may_be_taken_over_by_staff(root: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False, deactivated_by="owner")
    assert "the owner" in root.get(reverse("admin:accounts_user_changelist")).content.decode()
    saved(root, ada, is_active="", deactivated_by="staff")
    assert User.objects.get(pk=ada.pk).deactivated_by == "staff"
    saved(root, ada, deactivated_by="staff")
    assert (User.objects.get(pk=ada.pk).is_active, User.objects.get(pk=ada.pk).deactivated_by) == (True, "")


def test_a_password_that_staff_set_is_told_to_the_owner_and_ends_links(root: Client, ada: User, outbox: Any) -> None:
    at = now()
    AccountLink.objects.create(
        hash="h", user=ada, purpose="reset_password", email=ada.email, token_version=0, created_at=at, expires_at=at
    )
    page = reverse("admin:auth_user_password_change", args=[ada.pk])
    new = "a better horse battery"
    assert root.post(page, {"password1": new, "password2": new, "usable_password": "true"}).status_code == 302
    [letter] = outbox()
    assert (letter.to, letter.subject) == ([ada.email], "Your password was changed")
    assert "by staff" in letter.body
    assert new not in letter.body
    assert not AccountLink.objects.exists()


def test_an_email_that_staff_change_is_not_proven_and_both_are_told(root: Client, ada: User, outbox: Any) -> None:
    saved(root, ada, email="ada2@example.com")
    assert User.objects.get(pk=ada.pk).email_verified_at is None
    letters = {letter.to[0]: letter.body for letter in outbox()}
    assert set(letters) == {"ada@example.com", "ada2@example.com"}
    assert "by staff" in letters["ada@example.com"]
    saved(root, User.objects.get(pk=ada.pk), name="Ada")
    assert outbox() == []


def test_only_superusers_vouch_for_an_email(root: Client, staff_with: Callable[..., Client], ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(email_verified_at=None)
    page = reverse("admin:accounts_user_changelist")
    vouch = {"action": "vouch_for_email", "_selected_action": [str(ada.pk)]}
    staff_with("view_user", "change_user").post(page, vouch)
    assert User.objects.get(pk=ada.pk).email_verified_at is None
    root.post(page, vouch)
    assert User.objects.get(pk=ada.pk).email_verified_at is not None


def test_signing_in_at_the_console_brings_an_old_hash_up_to_date_and_signs_nobody_out(superuser: User) -> None:
    older = Argon2Hasher()
    older.time_cost = 1
    strange = "n\u0000l and e\u0301 accents"
    encoded = older.encode(strange, "0123456789abcdefghij")
    User.objects.filter(pk=superuser.pk).update(password=encoded)
    session = Session.objects.create(user=superuser, refresh_hash="a", lineage_hash="b", expires_at=now())
    # As another keyboard spells it, and with a character that forms refuse elsewhere.
    fields = {"username": superuser.email, "password": "n\u0000l and é accents", "next": "/admin/"}
    assert Client().post(reverse("admin:login"), fields).status_code == 302
    upgraded = User.objects.get(pk=superuser.pk)
    assert "t=2" in upgraded.password
    assert not identify_hasher(upgraded.password).must_update(upgraded.password)
    assert upgraded.token_version == superuser.token_version
    assert Session.objects.get(pk=session.pk).revoked_at is None
    assert Client().post(reverse("admin:login"), fields | {"password": PASSWORD}).status_code == 200
