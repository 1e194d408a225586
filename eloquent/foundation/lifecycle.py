"""This process among others: its name, and whether it takes on new work.

Draining is set at SIGTERM, and asked by readiness and by whoever starts a run.
"""

import os
import secrets
import socket
from functools import lru_cache


class _Lifecycle:
    draining = False


@lru_cache(maxsize=1)
def _made_worker_id(pid: int) -> str:
    return f"{socket.gethostname()[:30]}-{pid}-{secrets.token_hex(6)}"


def worker_id() -> str:
    """This process's name among all that ever serve: host, process and chance. At most 64 characters."""
    return _made_worker_id(os.getpid())


def start_draining() -> None:
    """From now on new runs are refused and `/readyz` answers 503. Safe to call from a signal handler, and twice."""
    _Lifecycle.draining = True


def is_draining() -> bool:
    """Whether this process is on its way out: finish what runs, start nothing."""
    return _Lifecycle.draining


def open_for_work() -> None:
    """The process is up (again): called when the server starts, so that one process can serve twice (tests)."""
    _Lifecycle.draining = False
