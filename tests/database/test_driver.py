"""The driver waits for its replies in our way, and keeps PyMongo's promises: in time, and never for a lost server."""

import asyncio
import hashlib
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring, network_layer
from pymongo.asynchronous import pool
from pymongo.errors import AutoReconnect, NetworkTimeout

from eloquent.foundation import driver
from eloquent.foundation.config import get_config

Client = AsyncMongoClient[dict[str, Any]]

# Of what is replaced, as we knew it when we replaced it (PyMongo 4.20.0).
KNOWN = {
    "async_sendall": "dbe4c31d",
    "async_receive_message": "eecf76e6",
    "_poll_cancellation": "62886180",
}


class Waiting(monitoring.CommandListener):
    """Sets `begun` when a `silence` has been asked for."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if "maxAwaitTimeMS" in event.command:
            self.begun.set()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[Client, Waiting]]:
    driver.install()
    waiting = Waiting()
    uri = get_config().mongodb_uri.get_secret_value()
    async with AsyncMongoClient(uri, event_listeners=[waiting], **options) as client:
        await client.admin.command("ping")
        yield client, waiting


def pool_of(client: Client) -> pool.Pool:
    found: pool.Pool = next(iter(client._topology._servers.values())).pool
    return found


async def silence(client: Client, of_ms: int) -> dict[str, Any]:
    """A command that the server answers so much later."""
    told: dict[str, Any] = await client.admin.command("hello")
    version = told["topologyVersion"]
    answer: dict[str, Any] = await client.admin.command("hello", topologyVersion=version, maxAwaitTimeMS=of_ms)
    return answer


def test_what_is_replaced_is_what_we_knew() -> None:
    """When this fails, read PyMongo's new version of these functions: ours may lack something, or not be needed."""
    sources = {name: inspect.getsource(getattr(network_layer, name)) for name in KNOWN}

    assert {name: hashlib.sha256(source.encode()).hexdigest()[:8] for name, source in sources.items()} == KNOWN


async def test_a_reply_in_time_is_given_and_a_late_one_is_a_timeout() -> None:
    async with connected(socketTimeoutMS=300) as (client, _):
        assert (await silence(client, 50))["ok"] == 1

        with pytest.raises(NetworkTimeout):
            await asyncio.wait_for(silence(client, 20_000), 15)

        assert (await client.admin.command("ping"))["ok"] == 1


async def test_a_command_ends_when_the_pool_gives_its_connection_up() -> None:
    async with connected() as (client, waiting):
        asking = asyncio.create_task(silence(client, 20_000))
        await waiting.begun.wait()
        await pool_of(client).reset(interrupt_connections=True)

        with pytest.raises(AutoReconnect, match="operation cancelled"):
            await asyncio.wait_for(asking, 15)


async def test_a_cancelled_command_leaves_no_reply_for_the_next() -> None:
    async with connected() as (client, waiting):
        asking = asyncio.create_task(silence(client, 20_000))
        await waiting.begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert not pool_of(client).conns  # closed: its late reply would be taken for another's


async def test_no_task_is_made_for_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    async with connected() as (client, _):
        loop = asyncio.get_running_loop()
        create_task = loop.create_task
        monkeypatch.setattr(
            loop, "create_task", lambda work, **named: (made.append(work), create_task(work, **named))[1]
        )
        await client.admin.command("ping")
        monkeypatch.undo()

    assert made == []
