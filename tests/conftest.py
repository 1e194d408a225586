"""What every test shares: the test database, emptied after each test that uses it, and the real server.

A test that touches the database, by either road, is marked `django_db` or asks for `db` or `server`.
"""

import gc
from collections.abc import AsyncIterator, Generator, Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

import hypothesis
import pytest
import pytest_asyncio
import redis
from django.db import connection
from django.test import TransactionTestCase

from accounts.limits import gate, levels
from eloquent.foundation import database as database_module
from eloquent.foundation.config import get_config
from tests import certificates as _certificates  # noqa: F401 -- before anybody makes a client
from tests import commands as _commands  # noqa: F401 -- its listener must be there before the first client
from tests import hashing as _hashing  # noqa: F401 -- before anybody registers
from tests import secrecy
from tests.servers import running_servers
from tests.uvicorn_server import running_server

# Filled by `migrate` and the same for every test; rebuilding them costs more than most tests.
KEPT_COLLECTIONS = {"auth_permission", "django_content_type", "django_migrations"}

# What a run found when it compared what it logged with its secrets; in a parallel run, each of its processes.
_leaks: list[str] = []
_keeper: list[secrecy.Keeper] = []

# A machine that does something else besides is no fault of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

_unmarked: ContextVar[bool] = ContextVar("unmarked", default=False)


def empty_the_databases() -> None:
    """Delete what a test wrote. Looking first, in one question, makes it cheap: most tests write to few collections."""
    database = connection.database
    assert database.name.startswith("test_"), f"{database.name} is not a test database"
    names = [
        name
        for name in database.list_collection_names()
        if name not in KEPT_COLLECTIONS and not name.startswith("system.")
    ]
    for found in database.aggregate([{"$documents": []}, *map(_name_if_not_empty, names)]):
        database[found["name"]].delete_many({})
    _redis().flushdb()
    gate.forget_all()
    levels.forget_all()


def _name_if_not_empty(name: str) -> dict[str, Any]:
    first = [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}]
    return {"$unionWith": {"coll": name, "pipeline": first}}


@cache
def _redis() -> redis.Redis:
    url = get_config().redis_url
    assert url is not None
    return redis.Redis.from_url(url.get_secret_value())


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Empty after each test by our own means: there is no rollback here, and Django's flush takes far longer."""
    assert connection.settings_dict["NAME"].startswith("test_")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty_the_databases())
        yield


@pytest.fixture(scope="session", autouse=True)
def _database_only_when_marked() -> Iterator[None]:
    """pytest-django keeps unmarked tests from the ORM; this does the same for the async handle.

    An unmarked test may run before the test database exists, and nobody would clean up behind it. A context variable
    tells the test apart from the server, whose tasks go on in the same loop.
    """
    connect = database_module._client

    def client_when_marked() -> Any:
        if _unmarked.get():
            raise RuntimeError(
                'Database access not allowed: use the "django_db" mark, or the "db" or "server" fixture.'
            )
        return connect()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_module, "_client", client_when_marked)
        yield


@pytest.fixture(autouse=True)
def _tell_unmarked(request: pytest.FixtureRequest) -> Iterator[None]:
    marked = request.node.get_closest_marker("django_db") is not None or "db" in request.fixturenames
    token = _unmarked.set(not marked)
    yield
    _unmarked.reset(token)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _running_server(django_db_setup: None) -> AsyncIterator[str]:
    from eloquent.asgi import application

    async with running_server(application) as url:
        yield url


@pytest.fixture
def server(db: None, _running_server: str) -> str:
    """The base URL (`http://127.0.0.1:PORT`) of the application under uvicorn, in the event loop of the tests.

    For async tests only: the server answers while the loop runs.
    """
    return _running_server


@pytest.fixture(scope="session", autouse=True)
def _keeper_of_logs() -> Iterator[secrecy.Keeper]:
    keeper = secrecy.Keeper(running_servers().directory / "everything.log")
    _keeper.append(keeper)
    secrecy.remember_config(keeper, get_config())
    with pytest.MonkeyPatch.context() as patch:
        secrecy.watch_clients(keeper, patch)
        secrecy.watch_servers(keeper, patch)
        yield keeper


@pytest.fixture(autouse=True)
def _nothing_is_logged_unheard(_keeper_of_logs: secrecy.Keeper) -> None:
    secrecy.listen(_keeper_of_logs)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes stays: to look for garbage among it took a third of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a secret of it was logged."""
    for keeper in _keeper:
        _leaks.extend(keeper.leaks())
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["leaks"] = _leaks
    elif _leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker of a parallel run."""
    _leaks.extend(getattr(node, "workeroutput", {}).get("leaks", []))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was logged that is secret."""
    if _leaks:
        terminalreporter.section("secrets in the logs")
        for leak in _leaks:
            terminalreporter.line(leak)
