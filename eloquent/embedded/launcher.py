"""Becomes the program it is told to run, after asking the kernel to end it when our process ends.

Run as a script, never imported: `python -I -S launcher.py PARENT_PID SIGNAL PROGRAM ARGUMENTS...`. It exists because
the request must be made inside the child, and Python's own way to run code there (`preexec_fn`) may deadlock in a
process with threads. The process id stays the same when it turns into the program.

Linux only; elsewhere it just becomes the program, and a server whose parent was killed is found and ended by the next
start (see `base`).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126


def main(arguments: list[str]) -> None:
    """Never returns: becomes the program or ends with 126 and a line on stderr."""
    parent, death_signal, program = int(arguments[0]), int(arguments[1]), arguments[2]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        # The parent may have died before the request was in place: then nobody would ever end us.
        if os.getppid() != parent:
            sys.exit(0)
    try:
        os.execv(program, arguments[2:])  # noqa: S606 - to become the program, without a shell, is the purpose
    except OSError as error:
        # ENOENT for a file that exists means that its loader is missing, e.g. a glibc program on a musl system.
        sys.stderr.write(f"cannot run {program}: {error.strerror}\n")
        sys.exit(CANNOT_RUN)


if __name__ == "__main__":
    main(sys.argv[1:])
