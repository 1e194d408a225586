"""Whether the OpenAPI document speaks of an answer: of every refusal by its code, of every field by its name."""

import re
from functools import cache
from typing import Any

import httpx
import orjson

from eloquent.embedded.programs import PROJECT

# Not of an operation: a verb that the path does not have, a path that leads nowhere.
OF_NO_OPERATION = {"method_not_allowed"}

# What errors say of themselves is theirs (RFC 9457, 3.2), and what of an event is not its data is the protocol's.
OPEN = {"Problem", "UIMessageEvent"}


@cache
def _refusals() -> list[tuple[str, re.Pattern[str], str, dict[str, set[str]]]]:
    """Method, path, operation, and the codes by status."""
    # The kept one, which another test compares with the interface: Django need not be set up to be a user of it.
    document = orjson.loads((PROJECT / "docs" / "openapi.json").read_bytes())
    found = []
    for path, methods in document["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method, operation in methods.items():
            codes = {status: _codes(document, answer) for status, answer in operation["responses"].items()}
            found.append((method.upper(), pattern, operation["operationId"], codes))
    return found


def _codes(document: dict[str, Any], answer: dict[str, Any]) -> set[str]:
    named = answer.get("$ref", "").rpartition("/")[2]
    described = document["components"]["responses"][named] if named else answer
    return set(described.get("content", {}).get("application/problem+json", {}).get("examples", {}))


async def is_documented(answer: httpx.Response) -> None:
    """Assert that a refusal is documented, by its status and its code. For `event_hooks` of a client."""
    if answer.request.method == "HEAD" or answer.headers.get("content-type") != "application/problem+json":
        return
    code = orjson.loads(await answer.aread())["code"]
    request = answer.request
    for method, path, operation, codes in _refusals():
        if method == request.method and path.fullmatch(request.url.path) and code not in OF_NO_OPERATION:
            status = str(answer.status_code)
            assert code in codes.get(status, ()), f"{operation} answers {status} {code}, which is not documented"


def closed(schema: Any) -> Any:
    """The document, or a part of it, without room for fields that it does not name.

    Clients have to take fields that are new to them, so our own says nothing of it; a test that compares answers with
    their schemas wants to hear of one that nobody described.
    """
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: part if name in OPEN else closed(part) for name, part in schema.items()}
    is_shape = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False, **parts} if is_shape else parts
