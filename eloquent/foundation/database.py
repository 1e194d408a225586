"""The request road's handle on MongoDB: one AsyncMongoClient per process and running event loop.

The desk road (admin, commands, migrations) goes through Django's own connection; both read the same
`DATABASES["default"]`, so they always see the same server and the same database name.
"""

import asyncio
import os
from datetime import UTC
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlsplit
from weakref import WeakKeyDictionary

from django.db import connections
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError

from eloquent.foundation import driver
from eloquent.foundation.telemetry.spans import is_tracing

Document: TypeAlias = dict[str, Any]

PING_TIMEOUT_S: Final = 2.0

# What holds unless the URI says otherwise. Names are those of the connection string, compared without case.
_URI_DEFAULTS: Final[dict[str, Any]] = {
    "serverSelectionTimeoutMS": 5_000,
    # A server that hangs, and is not gone, must not hold a request for ever. With the driver's one retry in it.
    "timeoutMS": 10_000,
    "appName": "eloquent",
    "retryWrites": True,
}


class _Handle(NamedTuple):
    pid: int
    client: AsyncMongoClient[Document]


# A client's sockets belong to the loop that opened them. Weak keys: a loop that is gone takes its client along.
_handles: WeakKeyDictionary[asyncio.AbstractEventLoop, _Handle] = WeakKeyDictionary()


def database() -> AsyncDatabase[Document]:
    """The database of the running event loop in this process; opened at the first command, not here.

    The name is read at every call, so that a test run's own database is respected. Times come back aware, in UTC.

    Raises:
        RuntimeError: no event loop is running (the desk road uses the ORM).
    """
    return _client().get_database(_settings()["NAME"])


def is_passing(error: BaseException) -> bool:
    """Whether the database is away or in a hurry, so that the same command may do later."""
    if isinstance(error, (ConnectionFailure, ExecutionTimeout, WTimeoutError)):
        return True
    return isinstance(error, PyMongoError) and (error.timeout or error.has_error_label("RetryableWriteError"))


async def ping_database() -> None:
    """Return when the server has answered.

    Raises:
        TimeoutError: no answer within `PING_TIMEOUT_S`.
        pymongo.errors.PyMongoError: the server refused.
    """
    async with asyncio.timeout(PING_TIMEOUT_S):
        await _client().admin.command("ping")


async def close_database() -> None:
    """Close the running loop's client, if there is one. The next `database()` opens a new one."""
    handle = _handles.pop(asyncio.get_running_loop(), None)
    if handle is not None and handle.pid == os.getpid():
        await handle.client.close()


def _settings() -> dict[str, Any]:
    # Those that Django's connection has, without making one: that would be a new one for each request, 20 µs of CPU.
    settings: dict[str, Any] = connections.settings["default"]
    return settings


def _client() -> AsyncMongoClient[Document]:
    loop = asyncio.get_running_loop()
    handle = _handles.get(loop)
    # A forked child finds its parent's handle here. Two processes on one socket would read each other's answers.
    if handle is None or handle.pid != os.getpid():
        handle = _handles[loop] = _Handle(os.getpid(), _connect())
    return handle.client


def _connect() -> AsyncMongoClient[Document]:
    if is_tracing():
        from eloquent.foundation.telemetry import database_spans  # asks about each command

        database_spans.install()
    else:
        driver.install()
    settings = _settings()
    uri: str = settings["HOST"]
    said = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query)} | {name.lower() for name in settings["OPTIONS"]}
    options = {name: value for name, value in _URI_DEFAULTS.items() if name.lower() not in said}
    return AsyncMongoClient(uri, **options, **settings["OPTIONS"], tz_aware=True, tzinfo=UTC)
