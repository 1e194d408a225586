"""Brings the database up to date in a child process, which has the addresses of the servers in its environment."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from eloquent.embedded.errors import DidNotStart
from eloquent.embedded.programs import PROJECT, project_environment
from eloquent.embedded.spawner import spawn

LOOK_EVERY_S = 0.05
LINES_SHOWN = 8


def prepare_database(settings: Mapping[str, str], log_path: Path, stop_wanted: threading.Event) -> str:
    """Migrations, and the first staff account when there is none. Returns what the reader must see, perhaps a password.

    That text goes through a pipe and into no file. Returns "" when `stop_wanted` was set meanwhile.

    Raises:
        DidNotStart: with the last lines of what went wrong.
    """
    with log_path.open("wb") as log:
        process = spawn(
            [sys.executable, str(PROJECT / "manage.py"), "up", "--prepare-only"],
            log=log,
            output=subprocess.PIPE,
            environment=project_environment(settings),
        )
    while process.poll() is None:
        if stop_wanted.wait(LOOK_EVERY_S):
            process.terminate()
            process.communicate()
            return ""
    told = process.communicate()[0].decode("utf-8", errors="replace")
    if process.returncode != 0:
        last_lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES_SHOWN:]
        raise DidNotStart("The database", "could not be prepared", log_path, last_lines)
    return told.strip()
