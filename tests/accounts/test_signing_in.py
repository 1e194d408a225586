"""Registering and signing in, through the API."""

import asyncio
import threading
from typing import Any

import httpx
import pytest
from django.contrib.auth import hashers

from accounts import passwords
from tests import hashing
from tests.accounts.conftest import PASSWORD
from tests.commands import recorded_commands


async def test_a_registered_user_is_signed_in_under_the_normalised_email(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/api/v1/auth/register", json={"email": "  Ada@Example.ORG ", "password": PASSWORD, "name": " Ada "}
    )
    assert answer.status_code == 201
    grant = answer.json()
    assert grant["token_type"] == "Bearer"
    assert grant["expires_in"] == 900
    assert grant["user"]["email"] == "ada@example.org"
    me = await http.get("/api/v1/me", headers={"Authorization": f"Bearer {grant['access_token']}"})
    assert me.status_code == 200
    assert me.json() == grant["user"]
    assert me.json()["name"] == "Ada"
    assert me.json()["is_staff"] is False
    assert me.json()["email_verified"] is False
    assert set(me.json()) == {"id", "email", "email_verified", "name", "has_password", "is_staff", "created_at"}


async def test_of_many_who_register_one_email_at_once_exactly_one_gets_it(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(
            http.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD})
            for email in ["one@example.org", "ONE@example.org", " one@Example.org"] * 3
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 8
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


@pytest.mark.parametrize(
    "email",
    ["", "no-at", "a@b", "a b@example.org", "a@example.org\u0000", "é@@", "a" * 250 + "@example.org", 'x"@example.org'],
)
async def test_what_is_not_an_email_is_refused(http: httpx.AsyncClient, email: str) -> None:
    answer = await http.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_input"
    assert "email" in answer.json()["errors"][0]["loc"]


@pytest.mark.parametrize("field", ["email", "password", "name"])
@pytest.mark.parametrize("half", [rb"\ud800", rb"x\udfffx"])
async def test_half_a_character_is_refused_wherever_it_stands(http: httpx.AsyncClient, field: str, half: bytes) -> None:
    fields = {"email": b"half@example.org", "password": PASSWORD.encode(), "name": b"Half"}
    fields[field] += half
    body = b"{" + b",".join(b'"%s":"%s"' % (name.encode(), value) for name, value in fields.items()) + b"}"
    answer = await http.post("/api/v1/auth/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    whole = body.replace(half, b"")
    answer = await http.post("/api/v1/auth/register", content=whole, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "10 to 256"),
        ("p" * 257, "256"),
        ("password123", "too common"),
        ("grace.hopper@example.org", "email"),
        ("GRACE.hopper", "email"),
    ],
)
async def test_a_weak_password_is_refused_with_its_reason(http: httpx.AsyncClient, password: str, reason: str) -> None:
    answer = await http.post("/api/v1/auth/register", json={"email": "grace.hopper@example.org", "password": password})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"][-1] == "password"
    assert reason in error["msg"]
    assert password not in answer.text


def test_production_hashes_with_the_parameters_of_owasps_sheet() -> None:
    """argon2id, 19 MiB, two passes, one lane: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html"""
    hasher = passwords.Argon2Hasher
    assert (hashing.USUAL_MEMORY_KIB, hasher.time_cost, hasher.parallelism) == (19 * 1024, 2, 1)
    assert hasher().encode("a password", "saltsaltsalt").startswith("argon2$argon2id$")


async def test_an_unknown_email_and_a_wrong_password_cannot_be_told_apart(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    hashed: list[str] = []
    hasher = passwords.Argon2Hasher
    encode, verify = hasher.encode, hasher.verify

    def counted_encode(self: Any, password: str, salt: str) -> str:
        hashed.append("hash")
        return encode(self, password, salt)

    def counted_verify(self: Any, password: str, encoded: str) -> bool:
        hashed.append("hash")
        return verify(self, password, encoded)

    monkeypatch.setattr(hasher, "encode", counted_encode)
    monkeypatch.setattr(hasher, "verify", counted_verify)

    async def attempt(email: str, password: str) -> tuple[httpx.Response, int, list[str]]:
        hashed.clear()
        with recorded_commands() as commands:
            answer = await http.post("/api/v1/auth/login", json={"email": email, "password": password})
        # Others are looked at by tasks of the server's own, at any time.
        asked_for = {"users", "sessions", "audit", "audit_head"}
        sent = [f"{c.name} {c.collection}" for c in commands if c.collection in asked_for]
        return answer, len(hashed), sent

    wrong, wrong_hashes, wrong_commands = await attempt(person.email, "not the password")
    unknown, unknown_hashes, unknown_commands = await attempt("nobody@example.org", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["code"] == "wrong_credentials"
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert wrong_hashes == unknown_hashes == 1
    asked = ["find users", "find sessions", "find users"]
    recorded = ["find audit", "insert audit", "update audit_head"]
    assert wrong_commands == unknown_commands == [*asked, *recorded]
    varying = {"x-request-id", "date", "ratelimit"}
    assert {k: v for k, v in wrong.headers.items() if k not in varying} == {
        k: v for k, v in unknown.headers.items() if k not in varying
    }
    right, right_hashes, _ = await attempt(person.email, PASSWORD)
    assert right.status_code == 200
    assert right_hashes == 1


async def test_a_user_without_a_password_costs_one_hash_too(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(passwords.Argon2Hasher, "encode", lambda *_arguments: calls.append("hash") or "")
    assert not (await passwords.verify_password("anything at all", hashers.make_password(None))).right
    assert not (await passwords.verify_password("anything at all", None)).right
    assert calls == ["hash", "hash"]


async def test_signing_in_brings_an_old_hash_up_to_date_and_ends_no_session(
    http: httpx.AsyncClient, a_person: Any
) -> None:
    from eloquent.foundation.database import database

    person = await a_person()
    older = passwords.Argon2Hasher()
    older.time_cost = 1
    encoded = older.encode(PASSWORD, "0123456789abcdefghij")
    await database().users.update_one({"email": person.email}, {"$set": {"password": encoded}})
    await person.sign_in_again()
    stored = (await database().users.find_one({"email": person.email}))["password"]
    assert "t=2" in stored
    assert "t=1" in encoded
    await person.sign_in_again()
    assert (await person.ask("GET", "me")).status_code == 200


async def test_the_same_character_typed_in_two_ways_is_the_same_password(http: httpx.AsyncClient) -> None:
    composed, decomposed = "crème brûlée à gogo", "cre\u0300me bru\u0302le\u0301e a\u0300 gogo"
    assert composed != decomposed
    await http.post("/api/v1/auth/register", json={"email": "chef@example.org", "password": composed})
    answer = await http.post("/api/v1/auth/login", json={"email": "chef@example.org", "password": decomposed})
    assert answer.status_code == 200


async def test_hashing_leaves_the_event_loop_free(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a password is being hashed another request comes and goes."""
    person = await a_person()
    hashing, read = threading.Event(), threading.Event()
    verify = passwords.Argon2Hasher.verify

    def slow_verify(self: Any, password: str, encoded: str) -> bool:
        hashing.set()
        assert read.wait(timeout=20), "nothing else was served meanwhile"
        return verify(self, password, encoded)

    monkeypatch.setattr(passwords.Argon2Hasher, "verify", slow_verify)
    signing_in = asyncio.create_task(person.sign_in_again())
    await asyncio.to_thread(hashing.wait, 20)
    assert (await person.ask("GET", "me")).status_code == 200
    read.set()
    await signing_in


async def test_too_many_waiting_for_a_hash_are_told_to_come_back(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    monkeypatch.setattr(passwords, "MAX_WAITING", -passwords.HASHING_THREADS)
    answer = await http.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_deactivated_user_is_told_what_a_stranger_is_told(http: httpx.AsyncClient, a_person: Any) -> None:
    from eloquent.foundation.database import database

    person = await a_person()
    await database().users.update_one({"email": person.email}, {"$set": {"is_active": False}})
    answer = await http.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 401
    assert answer.json()["code"] == "wrong_credentials"
    assert (await person.refresh()).status_code == 401


async def test_the_own_name_can_be_changed(a_person: Any) -> None:
    person = await a_person(name="Before")
    answer = await person.ask("PATCH", "me", json={"name": "  After  "})
    assert answer.status_code == 200
    assert answer.json()["name"] == "After"
    assert (await person.ask("GET", "me")).json()["name"] == "After"
    for name in ("x" * 151, "two\nlines", "bell\u0007"):
        assert (await person.ask("PATCH", "me", json={"name": name})).status_code == 422
