"""Spans of MongoDB's and Redis's commands: their names and how they went, never what was in them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pymongo import AsyncMongoClient
from pymongo.asynchronous import pool
from pymongo.errors import AutoReconnect, NetworkTimeout, OperationFailure
from redis.exceptions import ResponseError

from eloquent.foundation.config import get_config
from eloquent.foundation.telemetry import database_spans
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.redis_spans import TracedRedis
from eloquent.foundation.telemetry.spans import Kind, Span, current_span, record_spans, root_span

SECRET = "hunter2-hunter2"


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    ended: list[Span] = []
    record_spans(ended.append, {Traffic.OTHER: 1.0})
    yield ended
    record_spans(None, {})


@pytest.fixture
def root(recorded: list[Span]) -> Iterator[Span]:
    # Set in a synchronous fixture, it is there for what follows; the test's own task inherits it.
    before = current_span.get()
    span = root_span("root", Kind.SERVER, Traffic.OTHER)
    assert span is not None
    yield span
    current_span.set(before)


@pytest_asyncio.fixture
async def redis() -> AsyncIterator[TracedRedis]:
    url = get_config().redis_url
    assert url is not None
    client = TracedRedis.from_url(url.get_secret_value())
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def traced(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A database whose commands are traced."""
    for name in ("async_sendall", "async_receive_message"):
        monkeypatch.setattr(pool, name, getattr(pool, name))  # put back behind the test
    database_spans.install()
    uri = get_config().mongodb_uri.get_secret_value()
    client: Any = AsyncMongoClient(uri, socketTimeoutMS=500, serverSelectionTimeoutMS=2000)
    yield client["test_spans"]
    current_span.set(None)
    await client.drop_database("test_spans")
    await client.close()
    await client.close()


async def test_commands_of_mongodb_are_spans_with_their_collection(
    root: Span, recorded: list[Span], traced: Any
) -> None:
    await traced["things"].insert_many([{"said": SECRET} for _ in range(300)])
    assert len([one async for one in traced["things"].find({"said": SECRET}, batch_size=200)]) == 300
    assert [span.name for span in recorded] == ["insert things", "find things", "getMore things"]
    assert {(span.trace_id, span.parent_id, span.kind) for span in recorded} == {
        (root.trace_id, root.span_id, Kind.CLIENT)
    }
    assert recorded[1].attributes == {
        "db.system.name": "mongodb",
        "db.operation.name": "find",
        "db.collection.name": "things",
    }


async def test_a_command_that_is_refused_is_a_span_that_failed(root: Span, recorded: list[Span], traced: Any) -> None:
    with pytest.raises(OperationFailure):
        await traced["things"].find_one({"$nonsense": SECRET})
    [span] = recorded
    assert (span.name, span.error) == ("find things", "BadValue")
    assert SECRET not in str(span.attributes)


async def test_a_command_that_cannot_be_sent_is_a_span_that_failed(
    root: Span, recorded: list[Span], traced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traced["things"].find_one({})
    recorded.clear()

    async def broken(*_: Any) -> None:
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(database_spans.driver, "send", broken)
        with pytest.raises(AutoReconnect):
            await traced["things"].insert_one({"said": SECRET})
    assert {(span.name, span.error) for span in recorded} == {("insert things", "BrokenPipeError")}


async def test_a_command_whose_reply_does_not_come_is_a_span_that_failed(
    root: Span, recorded: list[Span], traced: Any
) -> None:
    await traced["things"].insert_one({})
    with pytest.raises(NetworkTimeout):
        await traced["things"].find_one({"$where": "sleep(5000) || true"})
    assert [(span.name, span.error) for span in recorded] == [
        ("insert things", None),
        ("find things", "TimeoutError"),
        ("find things", "TimeoutError"),  # the driver tries reading twice
    ]


async def test_commands_without_a_collection_and_those_that_nobody_waits_for(
    root: Span, recorded: list[Span], traced: Any
) -> None:
    await traced.command("buildInfo")
    await traced.client.admin.command("ping")
    await traced.command("aggregate", 1, pipeline=[{"$documents": [{}]}], cursor={})
    assert [(span.name, span.attributes.get("db.collection.name")) for span in recorded] == [
        ("buildInfo", None),
        ("aggregate", None),
    ]


@given(st.binary(max_size=80))
def test_a_message_of_another_kind_has_no_span(message: bytes) -> None:
    assert database_spans._span_of(bytes(12) + b"\xdc\x07\x00\x00" + message) is None


async def test_commands_outside_of_a_request_are_no_spans(
    recorded: list[Span], traced: Any, redis: TracedRedis
) -> None:
    current_span.set(None)
    await traced["things"].find_one({})
    await redis.ping()
    assert recorded == []


async def test_each_round_trip_to_redis_is_a_span(root: Span, recorded: list[Span], redis: TracedRedis) -> None:
    await redis.set("test:spans", SECRET, ex=10)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get("test:spans")
        pipe.delete("test:spans")
        assert await pipe.execute() == [SECRET.encode(), 1]
    assert [(span.name, span.attributes) for span in recorded] == [
        ("SET", {"db.system.name": "redis", "db.operation.name": "SET"}),
        ("PIPELINE", {"db.system.name": "redis", "db.operation.name": "PIPELINE", "db.operation.batch.size": 2}),
    ]
    assert {span.parent_id for span in recorded} == {root.span_id}


async def test_what_redis_refuses_is_a_span_that_failed(root: Span, recorded: list[Span], redis: TracedRedis) -> None:
    await redis.set("test:spans", "text", ex=10)
    with pytest.raises(ResponseError):
        await redis.lpush("test:spans", SECRET)
    with pytest.raises(ResponseError):
        async with redis.pipeline() as pipe:
            await pipe.lpush("test:spans", SECRET).execute()
    assert [(span.name, span.error) for span in recorded] == [
        ("SET", None),
        ("LPUSH", "ResponseError"),
        ("PIPELINE", "ResponseError"),
    ]
