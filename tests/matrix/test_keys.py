"""Every route for programs against every key that should not open it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from asgiref.sync import sync_to_async

from accounts.models import ApiKey, User
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from tests.chat.conftest import LanguageModel, model  # noqa: F401 - a fixture
from tests.matrix.identities import named
from tests.people import PASSWORD, Person

QUESTION = {"model": "scripted/scripted", "messages": [{"role": "user", "content": "Hi"}]}
ROUTES = [
    ("POST", "/v1/chat/completions", QUESTION, "chat"),
    ("POST", "/v1/embeddings", {"model": "scripted/scripted", "input": "Tea"}, "chat"),
    ("POST", "/v1/embeddings", {"model": "scripted/scripted", "input": "Tea"}, "embeddings"),
    ("GET", "/v1/models", None, "models"),
    ("GET", "/v1/models/scripted/scripted", None, "models"),
]

Secret = Callable[[Person], Awaitable[str | None]]


async def made(person: Person, *scopes: str) -> str:
    """A key with these scopes."""
    key = await person.ok(
        "POST",
        "/me/api-keys",
        201,
        json={"current_password": PASSWORD, "name": "Editor", "scopes": scopes or ["chat", "models"]},
    )
    secret: str = key["secret"]
    return secret


async def none(_person: Person) -> None:
    """No header."""


async def made_up(_person: Person) -> str:
    """The shape of a key."""
    return "sk-eloquent-" + "0" * 64


async def shortened(person: Person) -> str:
    """All of a key but its end."""
    return (await made(person))[:-1]


async def an_access_token(person: Person) -> str:
    """What opens the other interface."""
    token: str = person.tokens["access_token"]
    return token


async def a_refresh_token(person: Person) -> str:
    """What opens neither."""
    token: str = person.tokens["refresh_token"]
    return token


async def revoked(person: Person) -> str:
    """Good until its owner revoked it."""
    secret = await made(person)
    key = (await person.ok("GET", "/me/api-keys"))["items"][0]
    await person.ok("DELETE", f"/me/api-keys/{key['id']}", 204)
    return secret


async def expired(person: Person) -> str:
    """Good until a second ago."""
    secret = await made(person)
    over = now() - timedelta(seconds=1)
    await sync_to_async(ApiKey.objects.filter(hash=hash_of(secret)).update)(expires_at=over)
    return secret


async def of_somebody_deactivated(person: Person) -> str:
    """Good until staff deactivated its owner."""
    secret = await made(person)
    await sync_to_async(User.objects.filter(email=person.email).update)(is_active=False)
    return secret


async def of_somebody_deleted(person: Person) -> str:
    """Good until its owner was deleted."""
    secret = await made(person)
    await sync_to_async(lambda: User.objects.get(email=person.email).delete())()
    return secret


REFUSED: list[Secret] = [
    none,
    made_up,
    shortened,
    an_access_token,
    a_refresh_token,
    revoked,
    expired,
    of_somebody_deactivated,
    of_somebody_deleted,
]


async def asked(server: str, secret: str | None, method: str, path: str, body: object) -> tuple[int, str | None]:
    """The answer's status and its code."""
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        answer = await client.request(method, path, json=body, headers=headers)
        error = answer.json().get("error") or {}
        return answer.status_code, error.get("code")


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.__name__)
async def test_no_route_lets_in_a_key_that_is_not_good(
    server: str,
    model: LanguageModel,  # noqa: F811
    refused: Secret,
) -> None:
    async with Person(server, named("ann")) as ann:
        secret = await refused(ann)
    answers = {path: await asked(server, secret, method, path, body) for method, path, body, _ in ROUTES}
    assert answers == {path: (401, "invalid_api_key") for _, path, _, _ in ROUTES}


async def test_every_route_asks_for_its_scope_and_takes_a_key_that_has_it(
    server: str,
    model: LanguageModel,  # noqa: F811
) -> None:
    async with Person(server, named("ann")) as ann:
        for method, path, body, scope in ROUTES:
            other = "chat" if scope == "models" else "models"
            assert await asked(server, await made(ann, other), method, path, body) == (403, "missing_scope"), path
            status, code = await asked(server, await made(ann, scope), method, path, body)
            assert status == 200 or code == "model_not_found", (path, status, code)
