"""What can go wrong with a server that we start ourselves, each with a sentence for the person at the terminal.

EmbeddedServerError
├── ProgramMissing      no package and no program on the PATH
├── LibraryMissing      the system lacks a shared library that the program needs
├── AlreadyRunning      another process serves this data directory
├── PortTaken           the port that this server must have is somebody else's
├── DiskFull            too little room for the data
├── NotPermitted        the data belongs to another user
└── DidNotStart         it ended, or did not answer in time; carries the last lines of its log
"""

import re
from pathlib import Path

LOADER_MESSAGE = re.compile(r"(lib[\w+.-]+\.so[.\d]*): cannot open shared object file")
TOO_OLD_MESSAGE = re.compile(r"version [`']([\w.]+)' not found")

# Library file -> the package that brings it on Debian and Ubuntu. The second name is the one since the change to
# 64-bit time (Debian 13, Ubuntu 24.04).
PACKAGES = {
    "libcurl.so.4": ("libcurl4", "libcurl4t64"),
    "libssl.so.3": ("libssl3", "libssl3t64"),
    "libcrypto.so.3": ("libssl3", "libssl3t64"),
    "liblzma.so.5": ("liblzma5", "liblzma5"),
    "libgomp.so.1": ("libgomp1", "libgomp1"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++6"),
}


class EmbeddedServerError(Exception):
    """A server that we start ourselves does not run. `str(error)` is a sentence that says what to do."""


class ProgramMissing(EmbeddedServerError):
    """Neither the package nor a program on the PATH is there."""


class LibraryMissing(EmbeddedServerError):
    """The loader did not find a shared library that the program needs."""

    def __init__(self, server: str, library: str) -> None:
        self.library = library
        names = PACKAGES.get(library)
        if names is None:
            remedy = "Install the package of your system that brings it."
        else:
            package = names[1] if _has_t64_names() else names[0]
            remedy = f"Install it: apt-get install {package}"
            if names[0] != names[1]:
                other = names[0] if package == names[1] else names[1]
                remedy += f" (called {other} on other releases of Debian and Ubuntu)"
            remedy += "."
        super().__init__(f"{server} needs the shared library {library}, which this system does not have. {remedy}")


class AlreadyRunning(EmbeddedServerError):
    """Another process serves this data directory. `pid` and `address` are None when its state file is unreadable."""

    def __init__(self, server: str, data_dir: Path, pid: int | None, address: str | None) -> None:
        self.pid = pid
        self.address = address
        where = f" at {address}" if address else ""
        who = f" (process {pid})" if pid else ""
        super().__init__(f"{server} already runs{where}{who} with the data in {data_dir}. Use it, or stop it first.")


class PortTaken(EmbeddedServerError):
    """The port that this server must have is in use by another program."""

    def __init__(self, server: str, port: int) -> None:
        self.port = port
        super().__init__(f"{server} cannot have port {port}: another program listens there. Stop that program first.")


class DiskFull(EmbeddedServerError):
    """Too little room for the data. Sizes are bytes; `free` is None when the server found out by itself."""

    def __init__(self, server: str, data_dir: Path, needed: int, free: int | None = None) -> None:
        self.needed = needed
        self.free = free
        left = "the disk is full" if free is None else f"only {free // 2**20} MB are free"
        super().__init__(
            f"{server} needs {needed // 2**20} MB of disk space for its data in {data_dir}, but {left}. "
            "Make room there, or let ELOQUENT_STATE_DIR name a directory on another disk."
        )


class NotPermitted(EmbeddedServerError):
    """The data directory, or something in it, belongs to another user."""

    def __init__(self, server: str, path: Path, user: str) -> None:
        super().__init__(
            f"{server} may not write {path} as user {user}; it was made by another user. "
            f"Run as that user, or give the data away: chown -R {user} {path}"
        )


class DidNotStart(EmbeddedServerError):
    """It ended before it answered, or did not answer in time."""

    def __init__(self, server: str, how: str, log_path: Path, last_lines: list[str]) -> None:
        self.last_lines = last_lines
        told = "".join(f"\n    {line}" for line in last_lines)
        super().__init__(f"{server} {how}. Its log is {log_path}" + (f" and ends with:{told}" if told else "."))


def _has_t64_names() -> bool:
    """Whether this release of Debian or Ubuntu calls libcurl4 `libcurl4t64`."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return False
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, flags=re.MULTILINE))
    first_release = {"debian": 13.0, "ubuntu": 24.04}.get(fields.get("ID", ""))
    try:
        return first_release is not None and float(fields.get("VERSION_ID", "0")) >= first_release
    except ValueError:
        return False
