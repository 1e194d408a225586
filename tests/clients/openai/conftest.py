"""The official client, with a key of Ann's and a language model that says what a test wants."""

from collections.abc import AsyncIterator

import pytest_asyncio
from openai import AsyncOpenAI

from tests.chat.conftest import ann, bob, model  # noqa: F401 - fixtures
from tests.chat.programs import new_key
from tests.people import Person


@pytest_asyncio.fixture
async def secret(ann: Person) -> str:  # noqa: F811
    """An API key of Ann's."""
    return (await new_key(ann))["secret"]


@pytest_asyncio.fixture
async def client(ann: Person, secret: str) -> AsyncIterator[AsyncOpenAI]:  # noqa: F811
    """The client as its documentation shows it, pointed at us. It repeats nothing: a test sees each refusal."""
    async with AsyncOpenAI(base_url=f"{ann.server}/v1", api_key=secret, max_retries=0, timeout=20) as openai:
        yield openai
