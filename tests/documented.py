"""Whether an answer is one that the OpenAPI document speaks of: every refusal, by its code."""

import re
from functools import cache
from typing import Any

import httpx
import orjson

from eloquent.embedded.programs import PROJECT

# Not of an operation: a verb that the path does not have, a path that leads nowhere.
OF_NO_OPERATION = {"method_not_allowed"}


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
