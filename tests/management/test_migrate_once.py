"""`manage.py migrate_once` on a database that has nothing yet: one process at a time, whatever becomes of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from eloquent.management.turns import JOB, MAINTENANCE

ROOT = Path(__file__).resolve().parents[2]
NAME = f"eloquent-migrate-{os.getpid()}"


@pytest.fixture
def empty() -> Iterator[Database[dict[str, Any]]]:
    """A database of the test's own, without anything."""
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URI"], tz_aware=True)
    client.drop_database(NAME)
    yield client[NAME]
    client.drop_database(NAME)
    client.close()


def start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "migrate_once", *arguments],
        env={**os.environ, "MONGODB_NAME": NAME, "PYTHONUNBUFFERED": "1", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    try:
        out, errors = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, out + errors
    assert "Traceback" not in errors
    return out + errors


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to and with the line that has the words."""
    read = ""
    for line in process.stdout or ():
        read += line
        if words in line:
            return read
    raise AssertionError(read)


def applied(database: Database[dict[str, Any]]) -> int:
    return database["django_migrations"].count_documents({})


def test_two_at_once_migrate_an_empty_database_once(empty: Database[dict[str, Any]]) -> None:
    said = [ended(process) for process in [start("--staff", "staff@example.org"), start("--staff", "s@example.org")]]
    assert sum("Applying chat.0001_initial" in each for each in said) == 1
    assert sum("Nothing to migrate." in each for each in said) == 1
    assert sum("Password:" in each for each in said) == 1
    assert empty["users"].count_documents({"is_staff": True}) == 1
    job = empty[MAINTENANCE].find_one({"_id": JOB})
    assert job is not None
    assert job["holder"] == ""


def test_one_that_was_killed_in_the_middle_is_waited_for_and_finished(empty: Database[dict[str, Any]]) -> None:
    killed = start()
    read_until(killed, "Applying accounts.0001_initial")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = applied(empty)
    job = empty[MAINTENANCE].find_one({"_id": JOB})
    assert job is not None
    left = job["lease_expires_at"] - datetime.now(UTC)
    assert timedelta(seconds=20) < left <= timedelta(seconds=31), "the lease runs out by itself"
    second = start()
    read_until(second, "is migrating.")
    assert applied(empty) == before, "it waits"
    empty[MAINTENANCE].update_one({"_id": JOB}, {"$set": {"lease_expires_at": datetime(1970, 1, 1, tzinfo=UTC)}})
    ended(second)
    assert applied(empty) > before
    assert "Nothing to migrate." in ended(start())


def test_half_of_a_migration_is_finished_by_the_next(empty: Database[dict[str, Any]]) -> None:
    whole = empty.client[f"{NAME}-whole"]
    empty.client.drop_database(whole.name)
    # As one leaves it that was killed: the first collection is there, without its indexes, and nothing is noted.
    empty.create_collection("users")
    for process in [start(), start(MONGODB_NAME=whole.name)]:
        ended(process)
    assert indexes(empty) == indexes(whole)
    empty.client.drop_database(whole.name)


def indexes(database: Database[dict[str, Any]]) -> dict[str, Any]:
    return {name: database[name].index_information() for name in database.list_collection_names()}


def test_sigterm_ends_it_at_once_and_the_wait_has_a_bound(empty: Database[dict[str, Any]]) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    empty[MAINTENANCE].insert_one({"_id": JOB, "holder": "another-machine", "lease_expires_at": later})
    assert "another-machine is migrating. Waited for 0.5 s." in ended(start("--wait", "0.5"), 1)
    waiting = start()
    read_until(waiting, "another-machine is migrating.")
    waiting.terminate()
    assert "The next one goes on." in ended(waiting, 1)
    assert applied(empty) == 0


def at_work(run: str = "asyncio.run(turn)") -> subprocess.Popen[str]:
    """One whose work never ends, and has begun."""
    work = "lambda: (print('at work', flush=True), threading.Event().wait())"
    code = f"""
import asyncio, threading, django
django.setup()
from eloquent.management.turns import in_turn
turn = in_turn({work}, wait_s=9, say=print)
{run}
"""
    environment = {**os.environ, "MONGODB_NAME": NAME, "DJANGO_SETTINGS_MODULE": "eloquent.settings"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, **pipes)
    read_until(process, "at work")
    return process


@pytest.mark.parametrize("by", ["a key", "a cancellation"])
def test_one_that_is_stopped_in_the_middle_of_its_work_gives_nobody_else_the_turn(
    empty: Database[dict[str, Any]], by: str
) -> None:
    if by == "a key":
        stopped = at_work()
        stopped.send_signal(signal.SIGINT)
    else:
        stopped = at_work("async def main(): await asyncio.wait_for(turn, 1)\nasyncio.run(main())")
    try:
        assert "Stopped. The next one goes on." in ended(stopped, 1)
    finally:
        stopped.kill()
    job = empty[MAINTENANCE].find_one({"_id": JOB})
    assert job is not None
    assert job["holder"] != "", "the lease runs out by itself: the work may have got anywhere"


def test_one_whose_lease_was_taken_ends_in_the_middle_of_its_work(empty: Database[dict[str, Any]]) -> None:
    first = at_work()
    later = datetime.now(UTC) + timedelta(hours=1)
    empty[MAINTENANCE].update_one({"_id": JOB}, {"$set": {"holder": "another", "lease_expires_at": later}})
    assert "The lease was lost" in ended(first, 1)
    job = empty[MAINTENANCE].find_one({"_id": JOB})
    assert job is not None
    assert job["holder"] == "another", "which is not released by the one that lost it"


def test_a_database_that_is_away_is_waited_for_only_so_long() -> None:
    uri = "mongodb://ann:hunter2@127.0.0.1:9/?serverSelectionTimeoutMS=200"
    said = ended(start("--wait", "1", MONGODB_URI=uri), 1)
    assert "MongoDB is away" in said
    assert "hunter2" not in said


def test_a_database_that_refuses_is_not_waited_for_and_its_password_stays_unsaid() -> None:
    uri = os.environ["MONGODB_URI"].replace("mongodb://", "mongodb://ann:hunter2@")
    said = ended(start("--wait", "60", MONGODB_URI=uri), 1)
    assert "MongoDB at mongodb://" in said
    assert "cannot be used: Authentication failed" in said
    assert "hunter2" not in said
