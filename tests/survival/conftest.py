"""Two workers behind a dispatcher, and Ann with a tab on each."""

import os
from collections.abc import AsyncIterator
from functools import partial

import pytest_asyncio

from tests.people import Person
from tests.survival.stage import Stage, until


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _stage() -> AsyncIterator[Stage]:
    seed = os.environ.get("SURVIVAL_SEED")
    async with Stage(seed=int(seed) if seed else None) as stage:
        yield stage


@pytest_asyncio.fixture
async def stage(_stage: Stage) -> AsyncIterator[Stage]:
    """The whole chat, mended behind each test. To see a failure again: SURVIVAL_SEED=…, as it is printed."""
    print(f"SURVIVAL_SEED={_stage.seed}")
    yield _stage
    await _stage.mend()


@pytest_asyncio.fixture
async def ann(stage: Stage) -> AsyncIterator[Person]:
    """A user, each of whose requests goes to a worker of its own."""
    async with stage.person() as person:
        for worker in stage.workers:
            # Redis may have been away a moment ago: wait until the worker knows that it is back.
            address = f"{worker.address}/api/v1/conversations/{'0' * 24}/runs"
            body = {"parts": [{"type": "text", "text": "Nothing"}]}
            await until(partial(answered, person, address, body, 404))
        yield person


async def answered(person: Person, address: str, body: dict[str, object], status: int) -> bool:
    """Whether a request is answered with this status."""
    return (await person.http.post(address, json=body)).status_code == status


@pytest_asyncio.fixture
async def here(stage: Stage, ann: Person) -> AsyncIterator[Person]:
    """Ann's tab at the first worker."""
    async with ann.at(stage.workers[0].address) as tab:
        yield tab


@pytest_asyncio.fixture
async def there(stage: Stage, ann: Person) -> AsyncIterator[Person]:
    """Ann's tab at the second worker."""
    async with ann.at(stage.workers[1].address) as tab:
        yield tab
