"""The staff console's second step: shown, set up, asked of sessions from before; and what operators and checks do."""

import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from accounts import throttle
from accounts.audit.actions import Action
from accounts.checks import staff_have_a_second_factor
from accounts.models import AuditEntry, OutgoingMail, SecondFactor, Session, SignInChallenge, User
from accounts.second_factor import console, recovery_codes, totp
from accounts.second_factor.codes import SEALED_FOR
from eloquent.foundation.clock import now
from eloquent.foundation.config import Config, get_config
from eloquent.foundation.sealing import seal
from tests.admin.conftest import PASSWORD, Talk, signed_in
from tests.passkeys import Authenticator

pytestmark = pytest.mark.django_db

PAGE = "/admin/second-factor/"
HOST = "testserver"


def code_now(secret: str) -> str:
    return totp.code_of(secret, totp.step_at(time.time()))


def with_app(user: User) -> str:
    """Give the user an app and one recovery code, `CODE`; the app's secret."""
    secret = totp.new_secret()
    SecondFactor.objects.create(
        user=user,
        totp_secret=seal(secret.encode(), SEALED_FOR),
        totp_added_at=now(),
        recovery_codes=[recovery_codes.hash_of_code(user.pk, CODE)],
    )
    return secret


CODE = "k3h7-9xqm-2r4t-v8wz-0b5n-jc6y-d1se"


@pytest.fixture(autouse=True)
def _fresh_windows() -> None:
    throttle.forget_all()


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    """STAFF_SECOND_FACTOR=true."""
    config = get_config().model_copy(update={"staff_second_factor": True})
    monkeypatch.setattr(console, "get_config", lambda: config)


@pytest.fixture
def door(superuser: User) -> Callable[[], Client]:
    """Gives the right password at the console's door, as a browser does; what it leads to is left to the test."""

    def enter() -> Client:
        client = Client()
        answer = client.post("/admin/login/", {"username": superuser.email, "password": PASSWORD, "next": "/admin/"})
        assert answer["Location"] == "/admin/"
        return client

    return enter


def test_staff_without_a_second_factor_are_let_in_where_none_is_asked_for(door: Callable[[], Client]) -> None:
    assert door().get("/admin/").status_code == 200


def test_staff_who_have_one_are_asked_for_it_and_nothing_opens_before(
    door: Callable[[], Client], superuser: User, talk: Talk
) -> None:
    secret = with_app(superuser)
    client = door()
    for path in ("/admin/", f"/admin/accounts/user/{superuser.pk}/change/", "/admin/password_change/"):
        assert client.get(path)["Location"].startswith("/admin/login/")
    change = client.post(f"/admin/accounts/user/{superuser.pk}/password/", {"password1": "x", "password2": "x"})
    assert change["Location"].startswith("/admin/login/")
    step = client.get("/admin/login/?next=/admin/accounts/user/")
    assert step["Location"] == f"{PAGE}?next=%2Fadmin%2Faccounts%2Fuser%2F"
    page = client.get(step["Location"])
    assert page["Cache-Control"].startswith("max-age=0")
    assert superuser.email in page.text
    wrong = client.post(PAGE, {"code": "000000" if code_now(secret) != "000000" else "111111"})
    assert "This code is wrong" in wrong.text
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    before = client.session.session_key
    right = client.post(PAGE, {"code": code_now(secret), "next": "/admin/accounts/user/"})
    assert right["Location"] == "/admin/accounts/user/"
    assert client.session.session_key != before
    assert client.get("/admin/accounts/user/").status_code == 200
    recorded = AuditEntry.objects.get(action=Action.SECOND_FACTOR_SHOWN)
    assert (recorded.subject_id, recorded.target) == (superuser.pk, "console")
    assert client.get("/admin/login/")["Location"] == "/admin/"


def test_a_code_that_was_used_opens_no_second_browser(door: Callable[[], Client], superuser: User) -> None:
    secret = with_app(superuser)
    first, second, code = door(), door(), code_now(secret)
    assert first.post(PAGE, {"code": code}).status_code == 302
    assert "This code is wrong" in second.post(PAGE, {"code": code}).text
    assert second.get("/admin/").status_code == 302


def test_a_recovery_code_opens_the_console_once(door: Callable[[], Client], superuser: User) -> None:
    with_app(superuser)
    assert door().post(PAGE, {"code": CODE.upper()}).status_code == 302
    assert "This code is wrong" in door().post(PAGE, {"code": CODE}).text
    assert OutgoingMail.objects.filter(kind="recovery_code_used").count() == 1


def test_wrong_codes_are_counted_with_those_of_the_api(door: Callable[[], Client], superuser: User) -> None:
    secret = with_app(superuser)
    client = door()
    wrong = next(code for code in ("000000", "111111") if code != code_now(secret))
    for _ in range(10):
        assert "This code is wrong" in client.post(PAGE, {"code": wrong}).text
    assert "Too many wrong codes" in client.post(PAGE, {"code": code_now(secret)}).text
    assert SecondFactor.objects.get(user=superuser).guesses[9] is not None


def test_a_passkey_opens_the_console_in_the_session_that_asked(door: Callable[[], Client], superuser: User) -> None:
    from asgiref.sync import async_to_sync

    from accounts import store
    from accounts.second_factor import ceremonies
    from accounts.second_factor.relying_party import relying_party

    device, party = Authenticator(f"https://{HOST}"), relying_party(HOST)

    async def keep() -> None:
        user = await store.user_by_id(superuser.pk)
        assert user is not None
        options = await ceremonies.registration_options(user, [], party=party, bound_to="x")
        made = await ceremonies.registered(user, device.create(options), name="Key", party=party, bound_to="x")
        await store.add_passkey(made)

    async_to_sync(keep)()
    client, other = door(), door()
    page = client.get(PAGE)
    assert "accounts/console.js" in page.text
    question = client.post(f"{PAGE}passkey/").json()
    assert [each["type"] for each in question["allowCredentials"]] == ["public-key"]
    shown = json.dumps(device.get(question))
    assert "This took too long" in other.post(PAGE, {"passkey": shown}).text
    assert other.get("/admin/").status_code == 302
    shown = json.dumps(device.get(client.post(f"{PAGE}passkey/").json()))
    assert client.post(PAGE, {"passkey": shown})["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    for garbage in ("{}", "[", "null", "x" * 30_000):
        assert other.post(PAGE, {"passkey": garbage}).status_code == 200
    assert Client().post(f"{PAGE}passkey/").status_code == 403


@pytest.mark.usefixtures("required")
def test_staff_who_must_have_one_are_led_to_set_it_up(door: Callable[[], Client], superuser: User) -> None:
    client = door()
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    assert client.get("/admin/login/?next=/admin/")["Location"].startswith(PAGE)
    page = client.get(PAGE)
    found = re.search(r'id="totp-secret"[^>]*>([A-Z2-7]{32})<', page.text)
    assert found, page.text
    assert 'src="data:image/svg+xml' in page.text
    secret = found[1]
    again = client.post(PAGE, {"code": "12345"})
    assert "This code is wrong" in again.text
    assert secret in again.text
    done = client.post(PAGE, {"code": code_now(secret)})
    codes = re.findall(r"<code>([0-9a-z]{4}(?:-[0-9a-z]{4}){6})</code>", done.text)
    assert len(set(codes)) == 10
    assert client.get("/admin/").status_code == 200
    kept = SecondFactor.objects.get(user=superuser)
    assert recovery_codes.hash_of_code(superuser.pk, codes[0]) in kept.recovery_codes
    assert "is set up" in client.get(PAGE).text


@pytest.mark.usefixtures("required")
def test_a_session_from_before_the_setting_must_sign_in_again_to_set_one_up(superuser: User) -> None:
    client = signed_in(superuser)
    session = client.session
    session["signed_in_at"] = int(time.time()) - 601
    session.save()
    assert client.get("/admin/").status_code == 302
    page = client.get(PAGE)
    assert "Sign in again" in page.text
    assert "totp-secret" not in page.text
    assert not SecondFactor.objects.exists()
    assert client.post(PAGE, {"leave": "yes"})["Location"] == "/admin/login/"
    assert client.get("/admin/login/").status_code == 200


def test_a_session_from_before_the_factor_is_asked_for_it(root: Client, superuser: User) -> None:
    assert root.get("/admin/").status_code == 200
    secret = with_app(superuser)
    assert root.get("/admin/").status_code == 302
    root.post(PAGE, {"code": code_now(secret)})
    assert root.get("/admin/").status_code == 200
    # Another set of factors is asked for anew.
    SecondFactor.objects.all().delete()
    with_app(superuser)
    assert root.get("/admin/").status_code == 302


def test_the_step_leads_to_the_console_and_nowhere_else(door: Callable[[], Client], superuser: User) -> None:
    secret = with_app(superuser)
    client = door()
    for wanted in ("https://evil.example/", "//evil.example/admin/", "/", "javascript:alert(1)"):
        page = client.get(PAGE, {"next": wanted})
        assert 'name="next" value="/admin/"' in page.text
    assert client.post(PAGE, {"code": code_now(secret), "next": "//evil.example/"})["Location"] == "/admin/"


def test_nobody_is_led_to_the_door(db: None) -> None:
    for method in ("get", "post"):
        assert getattr(Client(), method)(PAGE)["Location"] == "/admin/login/"
    assert Client(enforce_csrf_checks=True).post(PAGE, {"code": "1"}).status_code == 403


def test_an_operator_resets_what_somebody_lost(superuser: User, talk: Talk) -> None:
    secret = with_app(superuser)
    later = now().replace(year=2126)
    device = Session.objects.create(user=superuser, refresh_hash="h", lineage_hash="l", expires_at=later)
    SignInChallenge.objects.create(user=superuser, hash="c", token_version=0, proof="password", expires_at=now())
    client, other = signed_in(superuser), signed_in(talk.user)
    client.post(PAGE, {"code": code_now(secret)})
    assert client.get("/admin/").status_code == 200
    said = io.StringIO()
    call_command("second_factor", "reset", superuser.email.upper(), stdout=said)
    assert "1 authenticator app(s), 0 passkey(s) and 1 recovery code(s); signed out 2 device(s)" in said.getvalue()
    assert not SecondFactor.objects.exists()
    device.refresh_from_db()
    superuser.refresh_from_db()
    assert device.revoked_at is not None
    assert superuser.token_version == 1
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    assert client.get("/admin/login/?next=/admin/").status_code == 200
    assert "_auth_user_id" in other.session
    assert AuditEntry.objects.get(action=Action.SECOND_FACTOR_RESET).subject_id == superuser.pk
    assert [letter.kind for letter in OutgoingMail.objects.all()] == ["second_factor_reset"]
    for email in (superuser.email, "nobody@example.com"):
        with pytest.raises(CommandError):
            call_command("second_factor", "reset", email)


def test_the_deploy_check_warns_where_a_password_alone_opens_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    def warnings_for(**settings: Any) -> list[str | None]:
        monkeypatch.setattr("accounts.checks.get_config", lambda: Config.model_validate(settings))
        return [warning.id for warning in staff_have_a_second_factor()]

    assert warnings_for(eloquent_env="prod") == ["accounts.W002"]
    assert warnings_for(eloquent_env="staging") == ["accounts.W002"]
    assert warnings_for(eloquent_env="prod", staff_second_factor=True) == []
    assert warnings_for(eloquent_env="dev") == []


def test_a_developers_staff_account_is_let_in_at_once(db: None) -> None:
    printed = io.StringIO()
    call_command("create_staff", "--email", "dev@example.org", stdout=printed)
    password = re.search(r"Password:\s+(\S+)", printed.getvalue())
    assert password
    client = Client()
    client.post("/admin/login/", {"username": "dev@example.org", "password": password[1], "next": "/admin/"})
    # No second factor is asked for, only a password of one's own.
    assert client.get("/admin/")["Location"] == "/admin/password_change/"


def test_a_session_of_the_console_ends_when_another_sign_in_is_due(superuser: User, monkeypatch: Any) -> None:
    browser = signed_in(superuser)
    assert browser.get("/admin/").status_code == 200
    real, longest_s = time.time, get_config().session_max_days * 24 * 3600
    monkeypatch.setattr(console.time, "time", lambda: real() + longest_s - 60)
    assert browser.get("/admin/").status_code == 200
    monkeypatch.setattr(console.time, "time", lambda: real() + longest_s)
    assert browser.get("/admin/").status_code == 302
    assert browser.get(PAGE)["Location"] == "/admin/login/"
    assert browser.get("/admin/login/").status_code == 200


def test_signing_out_of_the_console_clears_what_the_browser_keeps_of_it(superuser: User) -> None:
    browser = signed_in(superuser)
    assert "Clear-Site-Data" not in browser.get("/admin/")
    assert browser.post("/admin/logout/")["Clear-Site-Data"] == '"cache", "storage"'
    assert "Clear-Site-Data" not in browser.get("/admin/login/")
    half_way_in = signed_in(superuser)
    with_app(superuser)
    assert half_way_in.post(PAGE, {"leave": "1"})["Clear-Site-Data"] == '"cache", "storage"'
