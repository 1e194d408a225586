"""The application in one of several worker processes, which must not outlive the one that watches over them."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
SUPERVISOR = "ELOQUENT_SUPERVISOR_PID"
"""The variable in which the supervisor tells its workers its number."""


def end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends. Linux only."""
    if sys.platform != "linux":
        return
    # In a container the supervisor is process 1, which elsewhere is what orphans are given to: it says its number.
    parent = int(os.environ.get(SUPERVISOR, "") or os.getppid())
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have ended before the request was in place.
    if os.getppid() != parent:
        sys.exit(1)


end_with_parent()

from eloquent.asgi import application  # noqa: E402 - nothing is opened before the request above is in place

__all__ = ["application"]
