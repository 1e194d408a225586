import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from eloquent.embedded import ports
from eloquent.embedded.mongod import Mongod


def client_of(mongod: Mongod) -> MongoClient[dict[str, Any]]:
    return MongoClient(mongod.address, serverSelectionTimeoutMS=5000)


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[Mongod]:
    with Mongod(tmp_path / "mongod") as server:
        yield server


def test_it_takes_transactions_at_once_and_keeps_its_data_over_crash_and_change_of_port(mongod: Mongod) -> None:
    with client_of(mongod) as client:
        with client.start_session() as session, session.start_transaction():
            client.house.rooms.insert_one({"_id": 1}, session=session)
        client.house.rooms.insert_one({"_id": 2})

    mongod.kill()
    mongod.start()
    with client_of(mongod) as client:
        assert [room["_id"] for room in client.house.rooms.find()] == [1, 2]
    mongod.stop()
    assert mongod.exit_code == 0

    # The replica set's configuration lies in the data and names the old port.
    other_port = ports.any_free_port()
    with Mongod(mongod._room.directory, other_port) as moved, client_of(moved) as client:
        assert moved.port == other_port
        client.house.rooms.insert_one({"_id": 3})
        assert client.admin.command("hello")["hosts"] == [f"127.0.0.1:{other_port}"]


def test_it_listens_on_the_loopback_only_and_makes_no_socket_file(mongod: Mongod) -> None:
    listening = {
        entry.laddr.ip for entry in psutil.Process(mongod.pid).net_connections() if entry.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert not (Path("/tmp") / f"mongodb-{mongod.port}.sock").exists()


def test_a_second_mongod_on_the_same_data_started_by_hand_harms_nothing(mongod: Mongod) -> None:
    """The lock of ours does not bind a mongod that somebody starts past us; mongod's own does."""
    past_us = Mongod(mongod._room.directory)
    past_us._room.claim = lambda: True  # type: ignore[method-assign]
    past_us._room.state = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Exception, match="already runs with the data in"):
        past_us.start()
    with client_of(mongod) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_another_mongod_that_was_quicker_at_the_port_is_not_taken_for_ours(mongod: Mongod, tmp_path: Path) -> None:
    late = Mongod(tmp_path / "late", mongod.port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "is_free", lambda *_: True)
        patch.setattr("eloquent.embedded.base.ATTEMPTS_AT_A_PORT", 1)
        with pytest.raises(Exception, match=f"cannot have port {mongod.port}"):
            late.start()
    with client_of(mongod) as client:
        assert client.admin.command("serverStatus")["pid"] == mongod.pid


def test_a_mongod_that_dies_can_be_brought_back_on_its_port(mongod: Mongod) -> None:
    port, pid = mongod.port, mongod.pid
    os.kill(pid, signal.SIGKILL)
    assert mongod._process is not None
    mongod._process.wait(5)
    mongod.start()
    assert mongod.port == port
    assert mongod.pid != pid
