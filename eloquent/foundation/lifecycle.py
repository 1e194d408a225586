"""Whether this process is taking on new work. Set at SIGTERM, asked by readiness and by whoever starts a run."""

from typing import Final

# How long running answers may go on after SIGTERM. The platform kills after 120 s (ECS `stopTimeout`).
DRAIN_TIMEOUT_S: Final = 110.0


class _Lifecycle:
    draining = False


def start_draining() -> None:
    """From now on new runs are refused and `/readyz` answers 503. Safe to call from a signal handler, and twice."""
    _Lifecycle.draining = True


def is_draining() -> bool:
    """Whether this process is on its way out: finish what runs, start nothing."""
    return _Lifecycle.draining


def open_for_work() -> None:
    """The process is up (again): called when the server starts, so that one process can serve twice (tests)."""
    _Lifecycle.draining = False
