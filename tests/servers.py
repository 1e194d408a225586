"""An early pytest plugin: a mongod and a valkey-server of this run's own, before Django's settings are read.

Loaded by `-p tests.servers` (pyproject.toml), so it runs ahead of pytest-django. What the developer has in the
environment or in `.env` does not reach the tests. The servers and their data are gone at the end, however it ends:
pytest's last hook, `atexit`, and for a killed run the children's own death signal.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eloquent.embedded.base import EmbeddedServer
from eloquent.embedded.errors import EmbeddedServerError
from eloquent.embedded.mongod import Mongod
from eloquent.embedded.valkey import Valkey
from eloquent.foundation import config

# Data in memory makes every journalled write faster; mongod alone takes 300 MB of it.
MEMORY = Path("/dev/shm")
MEMORY_NEEDED_BYTES = 2 * 2**30
PREFIX = "eloquent-tests-"


def remove_leftovers(place: Path) -> None:
    """Remove what killed runs left behind: their servers died with them, their directories did not."""
    for directory in place.glob(f"{PREFIX}*"):
        try:
            os.kill(int(directory.name.removeprefix(PREFIX).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(directory, ignore_errors=True)
        except (ValueError, PermissionError):
            continue  # not one of ours


class Servers:
    """The two servers and the directory that holds all this run writes."""

    def __init__(self) -> None:
        in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES
        self._owner = os.getpid()
        place = MEMORY if in_memory else Path(tempfile.gettempdir())
        remove_leftovers(place)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{self._owner}-", dir=place))
        self.mongod = Mongod(self.directory / "mongod")
        self.valkey = Valkey(self.directory / "valkey")

    def start(self) -> None:
        """Both at once; returns when both answer."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(EmbeddedServer.start, (self.mongod, self.valkey)))

    def stop(self) -> None:
        """Without ceremony, since nobody needs the data. Harmless to repeat, and in a test's forked child."""
        if os.getpid() != self._owner:
            return
        self.mongod.kill()
        self.valkey.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """What this run's settings are made of."""
        return {
            "ELOQUENT_ENV": "test",
            "ELOQUENT_STATE_DIR": str(self.directory / "state"),
            "MONGODB_URI": self.mongod.address,
            "REDIS_URL": self.valkey.address,
            "LOG_LEVEL": "WARNING",
            "TITLE_MODEL": "off",  # what a test scripts is an answer; the tests of titles turn it on
        }


_running: list[Servers] = []


def running_servers() -> Servers:
    """This run's servers, for tests that kill one and start it again."""
    return _running[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Set the stage, then let pytest-django read the settings."""
    servers = Servers()
    _running.append(servers)
    atexit.register(servers.stop)
    early_config.add_cleanup(servers.stop)
    try:
        servers.start()
    except EmbeddedServerError as error:
        raise pytest.UsageError(str(error)) from error
    for name in config.Config.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ.update(servers.environment())
    return (yield)
