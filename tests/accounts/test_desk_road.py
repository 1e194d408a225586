"""What staff, commands and the shell do to accounts, and that both roads see the same documents."""

import asyncio
import io
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from channels.layers import get_channel_layer
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from accounts import models, notices, revocation, store
from accounts.tokens import RefreshToken
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD

desk = sync_to_async  # as the staff console runs: in a thread beside the server's event loop


def change_user(email: str, **fields: Any) -> None:
    """Change and save a user as a form of the staff console does."""
    user = models.User.objects.get(email=email)
    password = fields.pop("password", None)
    for name, value in fields.items():
        setattr(user, name, value)
    if password:
        user.set_password(password)
    user.save()


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "set by the staff today"}], ids=str)
async def test_what_staff_takes_away_is_gone_at_once(a_person: Any, change: dict[str, Any]) -> None:
    person, bystander = await a_person(), await a_person()
    layer = get_channel_layer()
    socket = await layer.new_channel()
    await layer.group_add(notices.user_group(person.id), socket)
    assert (await person.ask("GET", "me")).status_code == 200
    await desk(change_user)(person.email, **change)
    async with asyncio.timeout(20):
        assert await layer.receive(socket) == {"type": "session.revoked"}
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await person.refresh()).status_code == 401
    assert (await bystander.ask("GET", "me")).status_code == 200
    stored = await database().users.find_one({"email": person.email})
    assert stored["token_version"] == 1


async def test_other_changes_by_staff_end_no_session(a_person: Any) -> None:
    person = await a_person()
    await desk(change_user)(person.email, name="Renamed by staff", is_staff=True)
    answer = await person.ask("GET", "me")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Renamed by staff"
    assert (await person.refresh()).status_code == 200


async def test_a_deleted_users_tokens_and_tickets_mean_nothing(a_person: Any) -> None:
    person = await a_person()
    layer = get_channel_layer()
    socket = await layer.new_channel()
    await layer.group_add(notices.user_group(person.id), socket)
    await desk(lambda: models.User.objects.get(email=person.email).delete())()
    async with asyncio.timeout(20):
        assert await layer.receive(socket) == {"type": "session.revoked"}
    assert (await person.ask("GET", "me")).status_code == 401
    assert (await person.refresh()).status_code == 401
    assert await database().sessions.count_documents({}) == 0


async def test_staff_can_end_one_session(a_person: Any) -> None:
    person = await a_person()
    phone = await person.sign_in_again()

    def end() -> list[bool]:
        session = models.Session.objects.get(pk=RefreshToken.parse(phone.refresh_token).session_id)
        return [revocation.revoke_session(session), revocation.revoke_session(session)]

    assert (await phone.ask("GET", "me")).status_code == 200
    assert await desk(end)() == [True, False]
    assert (await phone.ask("GET", "me")).status_code == 401
    assert (await person.ask("GET", "me")).status_code == 200


async def test_signing_in_to_the_staff_console_with_an_old_hash_ends_no_session(a_person: Any) -> None:
    person = await a_person()
    older = "argon2$argon2id$v=19$m=102400,t=2,p=8$"
    encoded = await desk(_hash_with_djangos_own_parameters)()
    assert encoded.startswith(older)
    await database().users.update_one({"email": person.email}, {"$set": {"password": encoded}})
    user = await desk(authenticate)(username=person.email.upper(), password=PASSWORD)
    assert user is not None
    stored = await database().users.find_one({"email": person.email})
    assert not stored["password"].startswith(older)
    assert stored["token_version"] == 0
    assert (await person.ask("GET", "me")).status_code == 200


def _hash_with_djangos_own_parameters() -> str:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    return Argon2PasswordHasher().encode(PASSWORD, "0123456789abcdefghij")


async def test_what_the_request_road_writes_the_models_read_and_the_other_way_round(a_person: Any) -> None:
    person = await a_person(name="Ada")
    assert (await person.refresh()).status_code == 200
    assert (await person.ask("POST", "auth/socket-ticket")).status_code == 201
    kinds = [(models.User, store.User), (models.Session, store.Session), (models.SocketTicket, store.SocketTicket)]

    def check() -> None:
        for model, value in kinds:
            instance = model.objects.get()
            instance.full_clean(exclude=["successor"])
            collection = connection.database[model._meta.db_table]
            written = collection.find_one({})
            columns = {field.column for field in model._meta.concrete_fields}
            assert set(written) == columns, "every field is there, and no other"
            instance.save()
            assert collection.find_one({}) == written, "saving changes nothing"
            attributes = {field.attname for field in model._meta.concrete_fields}
            assert attributes == set(value.__struct_fields__)

    await desk(check)()
    email = f"made.by.a.model.{ObjectId()}@example.org"
    made = await desk(models.User.objects.create_user)(email.upper(), PASSWORD)
    read = await store.user_by_email(email)
    assert read is not None
    for name in store.User.__struct_fields__:
        if name != "created_at":  # a model keeps microseconds until it is read back
            assert getattr(read, name) == getattr(made, name), name
    assert abs((read.created_at - made.created_at).total_seconds()) < 0.001


async def test_every_query_of_the_store_finds_its_documents_by_an_index(a_person: Any) -> None:
    from tests.commands import PLANNED, recorded_commands

    person = await a_person()
    phone = await person.sign_in_again()
    with recorded_commands() as commands:
        await person.ask("POST", "auth/logout")
        await phone.ask("GET", "auth/sessions")
        await phone.ask("DELETE", "auth/sessions")
        await phone.ask("PATCH", "me", json={"name": "x"})
        await phone.ask("POST", "auth/socket-ticket")
        await store.take_ticket("x")
        await phone.refresh()
        await phone.refresh()
    planned = [command for command in commands if command.name in PLANNED]
    assert len(planned) > 10
    for command in planned:
        body = {name: value for name, value in command.body.items() if name not in _NOT_EXPLAINED}
        plan = await database().command("explain", body, verbosity="queryPlanner")
        assert "COLLSCAN" not in repr(plan["queryPlanner"]["winningPlan"]), command


_NOT_EXPLAINED = {"$db", "lsid", "$clusterTime", "txnNumber", "startTransaction", "autocommit", "readConcern"}


async def test_the_server_deletes_expired_sessions_and_tickets_by_itself(db: None) -> None:
    for name in ("sessions", "socket_tickets"):
        indexes = await (await database()[name].list_indexes()).to_list()
        (ttl,) = [index for index in indexes if "expireAfterSeconds" in index]
        assert ttl["key"] == {"expires_at": 1}
        assert ttl["expireAfterSeconds"] == 0


@pytest.mark.django_db
def test_the_database_keeps_emails_unique_in_any_case() -> None:
    models.User.objects.create_user("Twice@Example.org", PASSWORD)
    with pytest.raises(IntegrityError):
        models.User.objects.create_user("twice@example.ORG", PASSWORD)
    from_a_form = models.User(email="Twice@EXAMPLE.org", password="!")
    with pytest.raises(ValidationError, match="already exists"):
        from_a_form.full_clean()
    with pytest.raises(IntegrityError):
        models.User(email="TWICE@example.org", password="!").save()


@pytest.mark.django_db
def test_create_staff_prints_a_password_that_works_once() -> None:
    out = io.StringIO()
    call_command("create_staff", email="Boss@example.org", stdout=out)
    password = out.getvalue().split("Password:")[1].split()[0]
    user = authenticate(username="boss@example.org", password=password)
    assert user is not None
    assert user.is_staff
    assert user.is_superuser
    again = io.StringIO()
    call_command("create_staff", email="second@example.org", if_none=True, stdout=again)
    assert again.getvalue() == ""
    assert models.User.objects.count() == 1
    with pytest.raises(CommandError, match="already"):
        call_command("create_staff", email="boss@example.org")


@pytest.mark.django_db
def test_create_staff_takes_a_password_and_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nmore"))
    call_command("create_staff", email="boss@example.org", password_stdin=True, stdout=out)
    assert authenticate(username="boss@example.org", password=PASSWORD) is not None
    assert PASSWORD not in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(("email", "password"), [("no-email", PASSWORD), ("boss@example.org", "short")])
def test_create_staff_says_what_is_wrong(email: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    with pytest.raises(CommandError):
        call_command("create_staff", email=email, password_stdin=True)
    assert not models.User.objects.exists()


async def test_the_public_keys_are_published(http: httpx.AsyncClient, a_person: Any) -> None:
    import jwt

    answer = await http.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    keys = jwt.PyJWKSet.from_dict(answer.json())
    person = await a_person()
    key = keys[jwt.get_unverified_header(person.access_token)["kid"]]
    claims = jwt.decode(person.access_token, key, algorithms=["RS256"], audience="eloquent-api", issuer="eloquent")
    assert claims["sub"] == person.id
    assert (await http.post("/.well-known/jwks.json")).status_code == 405


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer  a.b.c", "é"])
async def test_without_an_access_token_nothing_is_shown(http: httpx.AsyncClient, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header is not None else {}
    answer = await http.get("/api/v1/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_the_database_nobody_is_let_in_on_what_was_known(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import ServerSelectionTimeoutError

    from accounts import liveness

    person = await a_person()
    assert (await person.ask("GET", "me")).status_code == 200
    liveness.forget(RefreshToken.parse(person.refresh_token).session_id)

    async def gone(*_ids: ObjectId) -> None:
        raise ServerSelectionTimeoutError("gone")

    monkeypatch.setattr(store, "token_version_in_force", gone)
    answer = await person.ask("GET", "auth/sessions")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert "gone" not in answer.text
