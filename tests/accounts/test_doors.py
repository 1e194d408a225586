"""What holds for every way in, and what every one of them leaves on record."""

from typing import Any

import httpx
from asgiref.sync import sync_to_async
from bson import ObjectId

from accounts.models import ApiKey
from accounts.revocation import revoke_api_key
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD
from tests.accounts.life.conftest import settings_are
from tests.accounts.second_factor.conftest import Owner, authenticator, somebody
from tests.accounts.second_factor.test_passkeys import alone, question
from tests.passkeys import UP, Authenticator

__all__ = ["authenticator", "settings_are", "somebody"]


async def recorded(subject: str | None, *, since: int = 0) -> list[tuple[str, str]]:
    """Action and target of each entry about somebody, or about nobody known."""
    query = {"subject_id": None if subject is None else ObjectId(subject), "number": {"$gt": since}}
    return [(entry["action"], entry["target"]) async for entry in database().audit.find(query).sort("number", 1)]


async def last_number() -> int:
    entry = await database().audit.find_one({}, sort=[("number", -1)])
    return entry["number"] if entry else 0


async def test_a_passkey_opens_no_account_whose_email_is_to_be_proven_first(
    http: httpx.AsyncClient,
    somebody: Any,
    authenticator: Authenticator,
    settings_are: Any,
) -> None:
    """Made while a proof was not asked for: by whoever had typed the address in."""
    person: Owner = await somebody()
    await person.add_passkey(authenticator)
    settings_are(email_verification="required")
    refused = await alone(http, authenticator.get(await question(http)))
    assert (refused.status_code, refused.json().get("code")) == (403, "email_not_verified"), refused.text
    settings_are(email_verification="optional")
    assert (await alone(http, authenticator.get(await question(http)))).status_code == 200


async def test_a_passkey_that_is_refused_is_on_record(
    http: httpx.AsyncClient,
    somebody: Any,
    authenticator: Authenticator,
) -> None:
    await (await somebody()).add_passkey(authenticator)
    since = await last_number()
    assert (await alone(http, authenticator.get(await question(http), flags=UP))).status_code == 422
    assert await recorded(None, since=since) == [("session.sign_in_failed", "")]


async def test_a_key_that_is_made_changed_or_revoked_is_on_record(a_person: Any) -> None:
    person = await a_person()
    since = await last_number()
    ids = []
    for _ in range(2):
        made = await person.ask(
            "POST", "me/api-keys", json={"current_password": PASSWORD, "name": "Editor", "scopes": ["models"]}
        )
        ids.append(made.json()["id"])
    assert (await person.ask("PATCH", f"me/api-keys/{ids[0]}", json={"name": "Mine"})).status_code == 200
    assert (await person.ask("DELETE", f"me/api-keys/{ids[0]}")).status_code == 204
    assert await sync_to_async(lambda: revoke_api_key(ApiKey.objects.get(pk=ids[1])))()
    first, second = (f"api_key:{key_id}" for key_id in ids)
    assert await recorded(person.id, since=since) == [
        ("api_key.made", first),
        ("api_key.made", second),
        ("api_key.changed", first),
        ("api_key.revoked", first),
        ("api_key.revoked", second),
    ]
