"""The cases of what accounts keep for sign-ins at providers of OpenID Connect."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
from bson import ObjectId

import accounts.store
from accounts.store import ExternalIdentity, OpenidAttempt, OpenidResult
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of
from tests.database.account_cases import LATER, NOW, PEOPLE

IDENTITY = ExternalIdentity(
    id=ObjectId(),
    user_id=PEOPLE[0],
    issuer="https://accounts.example.org",
    subject="subject-1",
    email="ada@example.org",
    created_at=NOW,
    last_used_at=NOW,
)
ATTEMPT = OpenidAttempt(
    id=ObjectId(),
    hash="a" * 64,
    browser_hash="b" * 64,
    provider="example",
    sealed="g" * 200,
    redirect_uri="https://api.example.org/callback",
    next_url="/",
    code_challenge="h" * 43,
    user_id=PEOPLE[0],
    session_id=ObjectId(),
    expires_at=LATER,
)
RESULT = OpenidResult(
    id=ObjectId(),
    hash="c" * 64,
    provider="example",
    user_id=PEOPLE[0],
    session_id=ObjectId(),
    browser_hash="b" * 64,
    code_challenge="h" * 43,
    issuer="https://accounts.example.org",
    subject="subject-1",
    email="ada@example.org",
    expires_at=LATER,
)


def _another(value: Any, number: int) -> Any:
    changed = {"subject": f"another-{number}"} if isinstance(value, ExternalIdentity) else {"hash": f"another-{number}"}
    return msgspec.structs.replace(value, id=ObjectId(), user_id=PEOPLE[number % len(PEOPLE)], **changed)


async def write(_world: Any) -> None:
    """Everything of this room, beside others'."""
    for value in (IDENTITY, ATTEMPT, RESULT):
        many = [value, *(_another(value, number) for number in range(20))]
        await database()[_COLLECTIONS[type(value)]].insert_many([document_of(each) for each in many])


_COLLECTIONS = {
    ExternalIdentity: "external_identities",
    OpenidAttempt: "openid_attempts",
    OpenidResult: "openid_results",
}


async def _read_identity(identity: ExternalIdentity) -> ExternalIdentity | None:
    return await accounts.store.identity_at(identity.issuer, identity.subject)


async def _read_attempt(attempt: OpenidAttempt) -> OpenidAttempt | None:
    # Taking deletes, and some read twice.
    taken = await accounts.store.take_openid_attempt(attempt.hash, browser_hash=attempt.browser_hash)
    if taken is not None:
        await accounts.store.add_openid_attempt(taken)
    return taken


async def _read_result(result: OpenidResult) -> OpenidResult | None:
    taken = await accounts.store.take_openid_result(result.hash)
    if taken is not None:
        await accounts.store.add_openid_result(taken)
    return taken


# A stored type: one full value of it, and how the store writes and reads one.
KINDS: dict[type[msgspec.Struct], tuple[Callable[[Any], Any], Callable[[Any], Awaitable[Any]], Any]] = {
    ExternalIdentity: (lambda _: IDENTITY, accounts.store.add_identity, _read_identity),
    OpenidAttempt: (lambda _: ATTEMPT, accounts.store.add_openid_attempt, _read_attempt),
    OpenidResult: (lambda _: RESULT, accounts.store.add_openid_result, _read_result),
}

CALLS: dict[str, list[Callable[[Any], Awaitable[Any]]]] = {
    "add_identity": [lambda _: accounts.store.add_identity(_another(IDENTITY, 99))],
    "identity_at": [lambda _: accounts.store.identity_at(IDENTITY.issuer, IDENTITY.subject)],
    "identities_of": [lambda _: accounts.store.identities_of(PEOPLE[0], limit=3)],
    "note_identity_used": [
        lambda _: accounts.store.note_identity_used(
            PEOPLE[0], IDENTITY.id, at=NOW + timedelta(1), email="new@example.org"
        )
    ],
    "take_identity": [lambda _: accounts.store.take_identity(PEOPLE[0], IDENTITY.id)],
    "remove_identities_of": [lambda _: accounts.store.remove_identities_of(PEOPLE[0])],
    "add_openid_attempt": [lambda _: accounts.store.add_openid_attempt(_another(ATTEMPT, 99))],
    "take_openid_attempt": [
        lambda _: accounts.store.take_openid_attempt(ATTEMPT.hash, browser_hash=ATTEMPT.browser_hash),
        lambda _: accounts.store.take_openid_attempt(ATTEMPT.hash, browser_hash="another's"),
    ],
    "add_openid_result": [lambda _: accounts.store.add_openid_result(_another(RESULT, 99))],
    "take_openid_result": [lambda _: accounts.store.take_openid_result(RESULT.hash)],
    "remove_openid_results_of": [lambda _: accounts.store.remove_openid_results_of(PEOPLE[0])],
}
