"""Every operation of the OpenAPI document against every token that lets nobody in; and no route outside of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.urls import URLPattern, URLResolver, get_resolver

from tests.matrix.identities import REFUSED, Refused, assert_is_let_in, named
from tests.people import Person
from tests.test_ownership import BODIES, IDS, OPERATIONS, PUBLIC, QUERIES

# What is served beside the document, and which test of the matrix asks for it.
BESIDE_THE_DOCUMENT = {
    "api/v1/openapi.json": "public",
    "api/v1/docs": "public",
    "api/v1/": "public: redirects to nothing",
    "v1/chat/completions": "tests/matrix/test_keys.py",
    "v1/embeddings": "tests/matrix/test_keys.py",
    "v1/models": "tests/matrix/test_keys.py",
    "v1/models/<path:model_id>": "tests/matrix/test_keys.py",
    ".well-known/jwks.json": "public",
    "healthz": "public",
    "readyz": "public",
    "account": "public: the account page, which has nothing of anybody's in it",
    "account/exports": "public: the same page, at its exports",
    "account/<slug:page>": "public: a form with nothing of anybody's in it",
    "": "public: the chat page, which has nothing of anybody's in it",
}


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.__name__)
async def test_no_operation_lets_in_who_should_not_be(server: str, refused: Refused) -> None:
    async with Person(server, named("ann")) as ann:
        await assert_is_let_in(ann)
        header = await refused(ann)
    headers = {} if header is None else {"Authorization": header}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:

        async def asked(method: str, path: str, operation: str) -> tuple[str, int, Any] | None:
            """What is wrong with the answer; None when nobody was let in."""
            url = path.format(**dict.fromkeys(IDS, str(ObjectId()))) + QUERIES.get(operation, "")
            answer = await client.request(method, url, json=BODIES.get(operation), headers=headers)
            said = answer.json() if answer.content else {}
            # Signing out takes a refresh token in its body in place of a header.
            code = "refresh_refused" if operation == "sign_out" and header is None else "not_signed_in"
            is_refused = (answer.status_code, said.get("code")) == (401, code)
            is_refused = is_refused and answer.headers["WWW-Authenticate"] == "Bearer"
            return None if is_refused else (operation, answer.status_code, said)

        # At once: a token of a key that nobody knows waits for the keys to be read.
        answers = await asyncio.gather(*(asked(*operation) for operation in OPERATIONS if operation[2] not in PUBLIC))
    wrong = [answer for answer in answers if answer is not None]
    assert wrong == []


def routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Every route below these patterns, as it is written."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def test_no_route_is_left_out() -> None:
    documented = {_plain(path) for _, path, _ in OPERATIONS}
    served = {route for route in routes(get_resolver().url_patterns) if not route.startswith(("admin/", "^admin/"))}
    assert {route for route in served if _plain(f"/{route}") not in documented} == set(BESIDE_THE_DOCUMENT)


def _plain(route: str) -> str:
    """The route with every parameter as `{}`."""
    parts = route.split("/")
    return "/".join("{}" if part[:1] in ("{", "<") else part for part in parts)
