"""Who is signed in proves once more who they are before anything that opens the account, or cannot be taken back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.hashers import make_password

from accounts.proving import FRESH
from eloquent.api import openapi_document
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD
from tests.accounts.life.conftest import letter, letters
from tests.accounts.second_factor.conftest import Clock, Owner, clock, owner, somebody

__all__ = ["clock", "owner", "somebody"]

NEW_PASSWORD = "a better horse battery staple"

# Everything that takes a proof, and what else its body needs to get as far. Those without a status here need more than
# an account to succeed; they are tested where they live.
BODIES: dict[str, tuple[int | None, dict[str, Any]]] = {
    "begin_passkey": (200, {}),
    "begin_totp": (None, {}),
    "change_email": (202, {"new_email": "another@example.org"}),
    "change_password": (200, {"new_password": NEW_PASSWORD}),
    "create_api_key": (201, {"name": "Editor", "scopes": ["chat"]}),
    "create_export": (202, {}),
    "deactivate_me": (204, {}),
    "erase_me": (202, {}),
    "make_recovery_codes": (200, {}),
    "remove_passkey": (None, {}),
    "remove_totp": (204, {}),
    "start_identity_link": (None, {}),
    "unlink_identity": (None, {}),
}


def proved() -> Iterator[tuple[str, str, str]]:
    """Method, path and operation of each request whose body has a place for the proof."""
    document = openapi_document()
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            text = str(operation.get("requestBody", ""))
            if any(f"/{name}'" in text for name, schema in schemas.items() if _takes_proof(schema)):
                yield method.upper(), path.removeprefix("/api/v1/"), operation["operationId"]


def _takes_proof(schema: dict[str, Any]) -> bool:
    return {"current_password", "code", "recovery_code"} <= set(schema.get("properties", {}))


PROVED = sorted(proved(), key=lambda operation: operation[2])
SIMPLE = [operation for operation in PROVED if BODIES.get(operation[2], (None,))[0] is not None]


def test_every_operation_that_takes_a_proof_is_known_here() -> None:
    assert [name for _, _, name in PROVED] == sorted(BODIES)


@pytest.mark.parametrize(("method", "path", "name"), SIMPLE, ids=[name for *_, name in SIMPLE])
async def test_a_password_alone_does_nothing_where_there_is_an_app(
    owner: Owner, clock: Clock, method: str, path: str, name: str
) -> None:
    status, body = BODIES[name]
    for proof, code in (
        ({}, "wrong_password"),
        ({"current_password": "not the password", "code": owner.app.code()}, "wrong_password"),
        ({"current_password": PASSWORD}, "wrong_code"),
        ({"current_password": PASSWORD, "code": owner.app.wrong_code()}, "wrong_code"),
    ):
        refused = await owner.ask(method, path, json={**body, **proof})
        assert (refused.status_code, refused.json()["code"]) == (422, code), proof
    proof = {"current_password": PASSWORD, "code": owner.app.code()}
    done = await owner.ask(method, path, json={**body, **proof})
    assert done.status_code == status, done.text


async def test_a_recovery_code_stands_in_for_the_app(owner: Owner) -> None:
    never = {"current_password": PASSWORD, "recovery_code": "0000-0000-0000-0000"}
    assert (await owner.ask("POST", "me/exports", json=never)).json()["code"] == "wrong_code"
    proof = {"current_password": PASSWORD, "recovery_code": owner.recovery_codes[0]}
    assert (await owner.ask("POST", "me/exports", json=proof)).status_code == 202
    assert (await owner.ask("POST", "me/exports", json=proof)).json()["code"] == "wrong_code"


async def test_a_new_password_that_is_refused_uses_no_code_up(owner: Owner) -> None:
    proof = {"current_password": PASSWORD, "code": owner.app.code()}
    refused = await owner.ask("POST", "auth/password/change", json={**proof, "new_password": "short"})
    assert refused.status_code == 422
    taken = await owner.ask("POST", "auth/password/change", json={**proof, "new_password": NEW_PASSWORD})
    assert taken.status_code == 200, taken.text


@pytest.mark.parametrize(("age", "status"), [(timedelta(), 200), (FRESH + timedelta(seconds=1), 403)])
async def test_an_account_without_a_password_is_given_one_after_a_fresh_sign_in(
    somebody: Any, age: timedelta, status: int
) -> None:
    person: Owner = await somebody()
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"password": make_password(None)}})
    await database().sessions.update_one({"user_id": ObjectId(person.id)}, {"$set": {"created_at": now() - age}})
    answer = await person.ask("POST", "auth/password/change", json={"new_password": NEW_PASSWORD})
    assert answer.status_code == status, answer.text
    assert (await person.log_in(NEW_PASSWORD)).status_code == (200 if status == 200 else 401)


async def test_a_password_that_staff_made_up_proves_nothing(somebody: Any) -> None:
    """They know it. What is asked in its place is a fresh sign-in, by a passkey for example."""
    person: Owner = await somebody()
    given = {"password_expires_at": now() + timedelta(days=7)}
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": given})
    assert (await person.ask("GET", "me")).json()["has_password"] is False
    old = {"created_at": now() - FRESH - timedelta(seconds=1)}
    sessions = database().sessions
    await sessions.update_one({"user_id": ObjectId(person.id)}, {"$set": old})
    refused = await person.ask("POST", "me/exports", json={"current_password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_too_old")
    await sessions.update_one({"user_id": ObjectId(person.id)}, {"$set": {"created_at": now()}})
    assert (await person.ask("POST", "me/exports", json={})).status_code == 202


async def test_the_owner_is_told_of_a_new_api_key(somebody: Any) -> None:
    person: Owner = await somebody()
    await letters()
    body = {"name": "Editor & co", "scopes": ["models", "chat"]}
    assert (await person.ask("POST", "me/api-keys", json=body)).json()["code"] == "wrong_password"
    made = await person.change("POST", "me/api-keys", 201, **body)
    told = await letter(person.email)
    assert told.subject == "A new API key for your account"
    assert "Editor & co" in told.text
    assert "chat, models" in told.text
    assert made["secret"] not in told.text
