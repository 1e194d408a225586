"""The async handle: the right database, one client a loop and a process, and nothing without leave."""

import asyncio
import os
from datetime import UTC, datetime

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections

from eloquent.foundation.database import close_database, database, ping_database


@pytest.mark.django_db
async def test_the_handle_and_the_orm_see_the_same_test_database() -> None:
    user = await sync_to_async(get_user_model().objects.create)(email="both@example.com")

    found = await database()["users"].find_one({"email": "both@example.com"})

    assert database().name.startswith("test_")
    assert found is not None
    assert found["_id"] == user.pk


@pytest.mark.django_db
async def test_the_name_is_read_at_every_call(monkeypatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", "test_another_name")

    assert database().name == "test_another_name"


@pytest.mark.django_db
async def test_times_come_back_aware_in_utc() -> None:
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    await database()["users"].insert_one({"_id": 1, "created_at": at})

    found = await database()["users"].find_one({"_id": 1})

    assert found is not None
    assert found["created_at"] == at
    assert found["created_at"].tzinfo is UTC


@pytest.mark.django_db
async def test_what_the_uri_does_not_say_has_a_default_and_what_it_says_wins(monkeypatch) -> None:
    settings = connections["default"].settings_dict
    said = settings["HOST"] + "&serverSelectionTimeoutMS=750"

    def effective(uri: str) -> tuple[float, bool, str]:
        monkeypatch.setitem(settings, "HOST", uri)

        async def look() -> tuple[float, bool, str]:
            options = database().client.options
            return options.server_selection_timeout, options.retry_writes, options.pool_options.appname

        return asyncio.run(look())

    assert await asyncio.to_thread(effective, settings["HOST"]) == (5.0, True, "eloquent")
    assert await asyncio.to_thread(effective, said) == (0.75, True, "eloquent")


@pytest.mark.django_db
def test_each_running_loop_has_a_client_of_its_own() -> None:
    async def clients() -> tuple[object, object]:
        await ping_database()
        first = database().client
        await ping_database()
        return first, database().client

    first, again = asyncio.run(clients())
    other, _ = asyncio.run(clients())

    assert first is again
    assert other is not first


@pytest.mark.django_db
async def test_a_closed_handle_opens_again() -> None:
    before = database().client
    await close_database()

    await ping_database()

    assert database().client is not before


@pytest.mark.django_db
def test_a_forked_child_gets_a_client_of_its_own() -> None:
    async def client() -> object:
        return database().client

    # The same loop object in both processes; only the process tells the two clients apart.
    with asyncio.Runner() as runner:
        runner.run(ping_database())
        inherited = runner.run(client())
        child = os.fork()
        if child == 0:
            own = inherited
            try:
                own = runner.run(client())
            finally:
                os._exit(0 if own is not inherited else 1)  # no second pytest goes on
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.django_db
async def test_ping_gives_up_when_nobody_listens(monkeypatch, unused_tcp_port) -> None:
    settings = connections["default"].settings_dict
    monkeypatch.setitem(settings, "HOST", f"mongodb://127.0.0.1:{unused_tcp_port}/?directConnection=true")
    monkeypatch.setattr("eloquent.foundation.database.PING_TIMEOUT_S", 0.2)

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(asyncio.run, ping_database())


async def test_a_test_without_the_mark_may_not_use_the_database() -> None:
    with pytest.raises(RuntimeError, match="django_db"):
        database()


def test_outside_a_loop_there_is_no_handle(db) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        database()
