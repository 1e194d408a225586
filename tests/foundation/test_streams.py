"""Reading Redis Streams when somebody stands still: Redis, or the process itself."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from eloquent.foundation import streams
from eloquent.foundation.streams import Entry, StreamReader
from eloquent.foundation.tasks import end_task
from tests.servers import running_servers

KEY = b"tests:stream"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK_S", 0.1)
    monkeypatch.setattr(streams, "_LATE_S", 0.3)


@pytest_asyncio.fixture
async def redis() -> AsyncIterator[Redis]:
    async with Redis.from_url(running_servers().valkey.address) as client:
        await client.delete(KEY)
        yield client


@pytest_asyncio.fixture
async def reader(redis: Redis) -> AsyncIterator[StreamReader]:
    reader = StreamReader(running_servers().valkey.address, redis, name="test")
    await reader.connect()
    reading = asyncio.create_task(reader.run())
    yield reader
    await end_task(reading)


async def test_a_process_that_stood_still_does_not_take_redis_for_gone(redis: Redis, reader: StreamReader) -> None:
    """The time of its question is over, and the reply is there: no answer is refused for that."""
    taken: list[Entry] = []
    reader.watch(KEY, after=b"0-0", take=taken.extend)
    await asyncio.sleep(0.05)
    was_up = []
    for _ in range(3):
        time.sleep(0.6)  # noqa: ASYNC251 - that is what it is about
        for _ in range(10):
            await asyncio.sleep(0.005)
            was_up.append(reader.is_up)
    assert all(was_up)
    await redis.xadd(KEY, {b"said": b"1"})
    async with asyncio.timeout(10):
        while not taken:  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.01)


async def test_redis_that_stands_still_is_noticed_and_read_again_when_it_goes_on(
    redis: Redis, reader: StreamReader
) -> None:
    taken: list[Entry] = []
    reader.watch(KEY, after=b"0-0", take=taken.extend)
    await asyncio.sleep(0.05)
    await redis.client_pause(1500)
    async with asyncio.timeout(10):
        while reader.is_up:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await redis.xadd(KEY, {b"said": b"1"})
        while not (reader.is_up and taken):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
