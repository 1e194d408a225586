"""A program of a user's, which comes in at `/v1` with an API key."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.people import PASSWORD, Person

ASK = {"model": "scripted", "messages": [{"role": "user", "content": "Hi"}]}


async def new_key(person: Person, *scopes: str) -> dict[str, Any]:
    """A new API key of the person, with its secret."""
    body = {"current_password": PASSWORD, "name": "Program", "scopes": list(scopes or ("chat", "models"))}
    key: dict[str, Any] = await person.ok("POST", "/me/api-keys", 201, json=body)
    return key


@asynccontextmanager
async def program(person: Person, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client with a new API key of the person's; its paths begin behind `/v1`."""
    key = await new_key(person, *scopes)
    headers = {"Authorization": f"Bearer {key['secret']}"}
    async with httpx.AsyncClient(base_url=f"{person.server}/v1", headers=headers, timeout=20) as client:
        yield client


async def lines_of(answer: httpx.Response) -> AsyncIterator[Any]:
    """The events of a stream: JSON, `[DONE]`, and the text of comments."""
    async for line in answer.aiter_lines():
        if line.startswith(":"):
            yield line
        elif line == "data: [DONE]":
            yield "[DONE]"
        elif line:
            yield json.loads(line.removeprefix("data: "))


def refusal(answer: httpx.Response) -> tuple[int, Any]:
    """The status and the code of a refusal, which has OpenAI's shape and no other."""
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert set(told) == {"error"}
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["message"]
    return answer.status_code, told["error"]["code"]
