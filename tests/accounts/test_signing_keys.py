"""Keys that sign access tokens: which signs and verifies when, by command, at the desk and in a process that serves."""

import asyncio
import io
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import jwt
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core.management import CommandError, call_command
from pymongo.errors import ServerSelectionTimeoutError

from accounts import key_rotation, keyring, models, store
from accounts.key_rotation import KeyUnknown, RotationUnderWay, key_lines, revoke_key, rotate_key
from accounts.key_schedule import (
    JWKS_KEPT_S,
    PUBLISHED_FOR,
    READ_EVERY_S,
    VERIFIED_FOR,
    Configured,
    opened,
    ring_at,
    sealed,
)
from accounts.keyring import configured_keys, key_ring
from accounts.tokens import ACCESS_TOKEN_S, KeyRing, PrivateKey
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.keys import make_signing_key
from tests.accounts.conftest import Person

NOW = now()
PEMS = [make_signing_key() for _ in range(5)]
KEYS = [PrivateKey.read(pem) for pem in PEMS]
KIDS = [key.verifying.kid for key in KEYS]
FOREIGN = KEYS.pop()
CONFIGURED = Configured(KEYS[0])
MINUTE = timedelta(minutes=1)

desk = sync_to_async


@pytest.fixture(autouse=True)
def _own_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process knows the configuration's key alone, before and after."""
    monkeypatch.setattr(keyring, "_keys", keyring._Keys())
    # Each is made once: it takes a third of a second.
    pems = iter(PEMS[:4])
    monkeypatch.setattr(key_rotation, "make_signing_key", lambda: next(pems))
    yield
    keyring.verified.cache_clear()


def row(number: int, *, key: int | None = None, signs_from: Any = NOW, **fields: Any) -> store.SigningKey:
    index = number if key is None else key
    values = {"sealed": sealed(PEMS[index]), **fields}
    return store.SigningKey(
        id=ObjectId(), number=number, kid=KIDS[index], public_pem="", created_at=NOW, signs_from=signs_from, **values
    )


def ring(*rows: store.SigningKey, at: Any = NOW, configured: Configured = CONFIGURED) -> tuple[str, set[str]]:
    """Who signs, and who verifies."""
    made = ring_at(at, configured, rows, opened(rows)[0])
    return made.signing.verifying.kid if made.signing else "", {key.kid for key in made.keys}


async def serve_keys() -> KeyRing:
    await keyring.read_keys()
    return key_ring()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


# The schedule


def test_with_no_key_on_record_the_configuration_is_all_there_is() -> None:
    assert ring() == (KIDS[0], {KIDS[0]})
    assert ring(configured=Configured(KEYS[0], KEYS[1].verifying)) == (KIDS[0], {KIDS[0], KIDS[1]})


def test_a_key_is_published_before_it_signs_and_the_one_before_it_verifies_after() -> None:
    begins = NOW + PUBLISHED_FOR
    ends = begins + VERIFIED_FOR
    rows = (row(1, key=0, sealed="", retires_at=ends), row(2, key=1, signs_from=begins))
    both = {KIDS[0], KIDS[1]}
    assert ring(*rows) == (KIDS[0], both)
    assert ring(*rows, at=begins - timedelta(milliseconds=1)) == (KIDS[0], both)
    assert ring(*rows, at=begins) == (KIDS[1], both)
    assert ring(*rows, at=ends - timedelta(milliseconds=1)) == (KIDS[1], both)
    assert ring(*rows, at=ends) == (KIDS[1], {KIDS[1]})


def test_no_token_outlives_its_key_and_no_reader_of_the_published_keys_meets_a_new_one() -> None:
    assert timedelta(seconds=ACCESS_TOKEN_S) < VERIFIED_FOR
    assert timedelta(seconds=JWKS_KEPT_S + 10 * READ_EVERY_S) < PUBLISHED_FOR


def test_of_two_that_may_sign_the_later_made_does() -> None:
    rows = (row(1, signs_from=NOW + MINUTE), row(2, signs_from=NOW))
    assert ring(*rows)[0] == KIDS[2]
    assert ring(*rows, at=NOW + 2 * MINUTE)[0] == KIDS[2], "one that was overtaken does not come back"


def test_a_revoked_key_is_nothing_any_more() -> None:
    gone = {"revoked_at": NOW}
    assert ring(row(1, key=0, sealed=""), row(2, key=1), row(3, key=2, **gone)) == (KIDS[1], {KIDS[0], KIDS[1]})
    assert ring(row(1, key=0, sealed="", **gone), row(2, key=1)) == (KIDS[1], {KIDS[1]})
    assert ring(row(1, key=0, sealed="", **gone)) == ("", set()), "and nobody signs when it was the only one"


@pytest.mark.parametrize(
    "broken",
    [
        {"sealed": "gAAAAA"},
        {"sealed": "é"},
        {"sealed": sealed("no key at all")},
        {"sealed": sealed(PEMS[2])},
        {"sealed": PEMS[1]},
    ],
    ids=["other secret", "no text", "no key", "another key", "not sealed"],
)
def test_a_row_that_does_not_open_is_not_believed(broken: dict[str, str]) -> None:
    """A changed SECRET_KEY; or somebody who can write to the database and signs tokens of his own."""
    rows = (row(1, key=0, sealed="", retires_at=NOW - MINUTE), row(2, key=1, **broken))
    assert ring(*rows) == (KIDS[0], {KIDS[0]}), "the configuration's key goes on"
    assert opened(rows)[1] == [KIDS[1]]


# At the desk


@pytest.mark.django_db
def test_rotating_twice_and_listing_says_what_each_key_is_good_for() -> None:
    configured = configured_keys().signing.verifying.kid
    assert [(line.kid, line.state, line.source) for line in key_lines()] == [(configured, "signs", "configuration")]
    first = rotate_key()
    assert first.signs_from - first.created_at == PUBLISHED_FOR
    assert [(line.kid, line.state) for line in key_lines()] == [(configured, "signs"), (first.kid, "published")]
    second = rotate_key(published_for=timedelta())
    states = [(line.kid, line.state) for line in key_lines()]
    assert states == [(configured, "verifies"), (first.kid, "verifies"), (second.kid, "signs")]
    retire = [line.retires_at for line in key_lines()]
    assert retire == [second.signs_from + VERIFIED_FOR] * 2 + [None]
    stored = repr(list(models.SigningKey.objects.values()))
    assert "PRIVATE" not in stored
    assert all(row.public_pem.startswith("-----BEGIN PUBLIC KEY") for row in models.SigningKey.objects.all())


@pytest.mark.django_db
def test_of_two_who_rotate_at_once_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    rotate_key()
    taken = key_rotation._next_number()
    first = rotate_key()
    monkeypatch.setattr(key_rotation, "_next_number", lambda: taken)
    with pytest.raises(RotationUnderWay):
        rotate_key()
    assert [line.kid for line in key_lines()][-1] == first.kid


@pytest.mark.django_db
def test_the_key_that_signs_is_revoked_with_another_in_its_place_and_others_without() -> None:
    first = rotate_key(published_for=timedelta())
    second = rotate_key()
    assert revoke_key(second.kid) is None, "the first signs"
    assert [line.state for line in key_lines()] == ["verifies", "signs", "revoked"]
    successor = revoke_key(first.kid)
    assert successor is not None
    assert [line.state for line in key_lines()] == ["verifies", "revoked", "revoked", "signs"]
    assert set(models.SigningKey.objects.filter(revoked_at__isnull=False).values_list("sealed", flat=True)) == {""}
    with pytest.raises(KeyUnknown):
        revoke_key(first.kid)
    with pytest.raises(KeyUnknown):
        revoke_key("x")


@pytest.mark.django_db
def test_a_key_that_goes_on_after_its_successor_was_revoked_retires_behind_the_next_one() -> None:
    first = rotate_key(published_for=timedelta())
    revoke_key(rotate_key().kid)
    models.SigningKey.objects.filter(kid=first.kid).update(retires_at=now() + MINUTE)
    last = rotate_key(published_for=timedelta(hours=1))
    assert models.SigningKey.objects.get(kid=first.kid).retires_at == last.signs_from + VERIFIED_FOR


@pytest.mark.django_db
def test_the_configurations_key_can_be_revoked_and_does_not_come_back() -> None:
    configured = configured_keys().signing.verifying.kid
    successor = revoke_key(configured)
    assert successor is not None
    assert {line.kid: line.state for line in key_lines()} == {configured: "revoked", successor.kid: "signs"}
    models.SigningKey.objects.filter(kid=configured).update(retires_at=now() - timedelta(days=100))
    rotate_key()
    assert {line.kid: line.state for line in key_lines()}[configured] == "revoked"


@pytest.mark.django_db
def test_a_key_that_retired_long_ago_goes_with_the_next_rotation() -> None:
    old = rotate_key(published_for=timedelta())
    rotate_key(published_for=timedelta())
    models.SigningKey.objects.exclude(retires_at=None).update(retires_at=now() - timedelta(days=2))
    rotate_key()
    kids = [line.kid for line in key_lines()]
    assert old.kid not in kids
    assert kids[0] == configured_keys().signing.verifying.kid, "that of the configuration would be good again"
    assert {line.kid: line.state for line in key_lines()}[kids[0]] == "retired"


@pytest.mark.django_db
def test_the_command_says_what_it_did_and_it_is_recorded() -> None:
    def jwt_command(*arguments: str) -> str:
        out = io.StringIO()
        call_command("jwt", *arguments, stdout=out)
        return out.getvalue()

    made = jwt_command("rotate", "--now").split()[1]
    assert "signs" in next(line for line in jwt_command("list").splitlines() if made in line)
    assert "published" in jwt_command("rotate") + jwt_command("list")
    said = jwt_command("revoke", made)
    assert f"Key {made} is revoked" in said
    assert "signs from now on" in said
    for wrong in (("revoke", made), ("revoke", "nothing")):
        with pytest.raises(CommandError, match="no key"):
            jwt_command(*wrong)
    for wrong in (("rotate", "--after", "-5"), ("rotate", "--after", "x"), ("turn",), ()):
        with pytest.raises(CommandError):
            jwt_command(*wrong)
    entries = models.AuditEntry.objects.filter(action__startswith="operator.signing_key").order_by("number")
    assert [(entry.action, entry.target == f"key:{made}") for entry in entries] == [
        ("operator.signing_key_rotated", True),
        ("operator.signing_key_rotated", False),
        ("operator.signing_key_rotated", False),
        ("operator.signing_key_revoked", True),
    ]


@pytest.mark.django_db
def test_the_check_names_what_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.checks import run_checks

    def found() -> list[Any]:
        checks = run_checks(tags=["accounts"], databases=["default"])
        return [check for check in checks if check.id in {"accounts.W001", "accounts.E001"}]

    assert found() == []
    made = rotate_key(published_for=timedelta())
    assert found() == []
    models.SigningKey.objects.filter(kid=made.kid).update(sealed="gAAAA")
    [warning] = found()
    assert (warning.id, made.kid in warning.msg, "SECRET_KEY_FALLBACKS" in warning.hint) == (
        "accounts.W001",
        True,
        True,
    )
    models.SigningKey.objects.exclude(kid=made.kid).update(revoked_at=now())
    assert [each.id for each in found()] == ["accounts.W001", "accounts.E001"]


# In a process that serves


async def test_who_is_signed_in_stays_so_through_rotations(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person()
    tokens = [person.access_token]
    for _ in range(2):
        made = await desk(rotate_key)(published_for=timedelta())
        await serve_keys()
        person.use((await person.refresh()).json())
        tokens.append(person.access_token)
        assert kid_of(person.access_token) == made.kid
    assert len({kid_of(token) for token in tokens}) == 3
    for token in tokens:
        assert (await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    published = (await http.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kid"] for key in published} == {kid_of(token) for token in tokens}
    assert all(set(key) == {"e", "kty", "n", "use", "alg", "kid"} for key in published)


async def test_a_key_is_published_and_not_signed_with_before_its_time(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person()
    made = await desk(rotate_key)()
    await serve_keys()
    assert kid_of((await person.refresh()).json()["access_token"]) != made.kid
    assert made.kid in {key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]}
    await database().signing_keys.update_one({"kid": made.kid}, {"$set": {"signs_from": now()}})
    await serve_keys()
    assert kid_of((await person.sign_in_again()).access_token) == made.kid


async def test_a_token_of_a_key_that_another_process_has_read_first_is_good(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "READ_EVERY_S", 3600)
    person = await a_person()
    await serve_keys()
    before = keyring._keys
    await desk(rotate_key)(published_for=timedelta())
    monkeypatch.setattr(keyring, "_keys", keyring._Keys())  # the other process
    await serve_keys()
    person.use((await person.refresh()).json())
    monkeypatch.setattr(keyring, "_keys", before)
    keyring.verified.cache_clear()
    assert kid_of(person.access_token) not in {key.kid for key in key_ring().keys}
    answers = await asyncio.gather(*(person.ask("GET", "me") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}


async def test_tokens_of_unknown_keys_have_the_keys_read_once_a_second(
    a_person: Any, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[float] = []
    loop = asyncio.get_running_loop()
    original = store.signing_keys

    async def counted() -> Any:
        read.append(loop.time())
        return await original()

    person = await a_person()
    await asyncio.sleep(0)
    monkeypatch.setattr(store, "signing_keys", counted)
    monkeypatch.setattr(keyring, "read_keys", _reading_only_for(learned=keyring.read_keys))
    foreign = KeyRing(FOREIGN).sign(user_id=ObjectId(), session_id=ObjectId(), token_version=0, now_s=NOW.timestamp())
    for _ in range(2):
        answers = await asyncio.gather(
            *(http.get("/api/v1/me", headers={"Authorization": f"Bearer {foreign}"}) for _ in range(20))
        )
        assert {answer.status_code for answer in answers} == {401}
    # Fewer than there were tokens, however slow the machine is.
    assert 0 < len(read) < 20
    assert all(later - earlier > 0.9 * keyring.LEARN_EVERY_S for earlier, later in pairwise(read))
    assert (await person.ask("GET", "me")).status_code == 200


def _reading_only_for(*, learned: Any) -> Any:
    """The server's own task reads nothing meanwhile."""

    async def read() -> None:
        task = asyncio.current_task()
        if task is None or task.get_name() != "signing keys":
            await learned()

    return read


async def test_what_was_verified_before_is_forgotten_with_a_revoked_key(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person()
    made = await desk(rotate_key)(published_for=timedelta())
    await serve_keys()
    phone = await person.sign_in_again()
    assert kid_of(phone.access_token) == made.kid
    for device in (person, phone):
        assert (await device.ask("GET", "me")).status_code == 200
    assert (await phone.ask("POST", "auth/socket-ticket")).status_code == 201
    await desk(revoke_key)(made.kid)
    await serve_keys()
    refused = await phone.ask("GET", "me")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
    assert (await person.ask("GET", "me")).status_code == 200, "other keys are as they were"
    assert made.kid not in (await http.get("/.well-known/jwks.json")).text
    assert await database().socket_tickets.count_documents({}) == 0
    phone.use((await phone.refresh()).json())
    assert (await phone.ask("GET", "me")).status_code == 200, "and nobody is signed out"


async def test_a_revoked_key_has_the_sockets_of_every_server_ask_again(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubted = [asyncio.Event(), asyncio.Event()]

    def doubting(event: asyncio.Event) -> Any:
        async def doubt() -> None:
            event.set()

        return doubt

    monkeypatch.setattr(keyring, "READ_EVERY_S", 0.02)
    tasks = [asyncio.create_task(keyring.run(revoked=doubting(event))) for event in doubted]
    try:
        made = await desk(rotate_key)(published_for=timedelta())
        await desk(rotate_key)(published_for=timedelta())
        async with asyncio.timeout(10):
            while made.kid not in {key.kid for key in key_ring().keys}:  # noqa: ASYNC110 - a task reads them
                await asyncio.sleep(0.01)
        assert not any(event.is_set() for event in doubted), "a rotation is no reason"
        await desk(revoke_key)(made.kid)
        async with asyncio.timeout(10):
            await asyncio.gather(*(event.wait() for event in doubted))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_while_the_database_is_away_the_known_keys_go_on(a_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    person: Person = await a_person()
    made = await desk(rotate_key)(published_for=timedelta())
    await serve_keys()
    person.use((await person.refresh()).json())

    async def away() -> Any:
        raise ServerSelectionTimeoutError("gone")

    monkeypatch.setattr(store, "signing_keys", away)
    with pytest.raises(ServerSelectionTimeoutError):
        await keyring.read_keys()
    assert key_ring().signing is not None
    assert key_ring().keys[0].kid == made.kid
    assert (await person.ask("GET", "me")).status_code == 200
    foreign = KeyRing(FOREIGN).sign(user_id=ObjectId(), session_id=ObjectId(), token_version=0, now_s=NOW.timestamp())
    person.access_token = foreign
    refused = await person.ask("GET", "me")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable"), "it may be good: nobody knows"


async def test_nobody_signs_before_the_keys_on_record_were_read(a_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await a_person()
    made = await desk(rotate_key)(published_for=timedelta())
    monkeypatch.setattr(keyring, "_keys", keyring._Keys())  # a process that has just begun
    assert kid_of((await person.sign_in_again()).access_token) == made.kid


async def test_without_any_key_signing_in_is_not_possible_and_the_command_helps(
    a_person: Any, caplog: pytest.LogCaptureFixture
) -> None:
    person = await a_person()
    made = await desk(rotate_key)(published_for=timedelta())
    configured = configured_keys().signing.verifying.kid
    await database().signing_keys.update_one({"kid": configured}, {"$set": {"revoked_at": now()}})
    await database().signing_keys.update_one({"kid": made.kid}, {"$set": {"sealed": "gAAAA"}})
    await serve_keys()
    assert "SECRET_KEY_FALLBACKS" in caplog.text
    assert "jwt rotate --now" in caplog.text
    answer = await person.refresh()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    await desk(rotate_key)(published_for=timedelta())
    await serve_keys()
    assert (await person.refresh()).status_code == 200
