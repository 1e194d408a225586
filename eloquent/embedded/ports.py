"""Loopback ports: whether one is free, and a free one."""

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
PROC_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTEN = "0A"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now. Connections of an earlier server that still fade do not count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port that nobody uses at this moment. Another program may take it before you do: be ready to ask again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def next_free_port(first: int, host: str = LOOPBACK) -> int:
    """The first free port from `first` upwards, and any free one when the next hundred are taken."""
    for port in range(first, min(first + 100, HIGHEST_PORT + 1)):
        if is_free(port, host):
            return port
    return any_free_port()


def listens(pid: int, port: int, host: str = LOOPBACK) -> bool:
    """Whether this process, and no other, takes connections there.

    Somebody who was quicker at a port would otherwise be taken for the child that is about to fail for that reason.
    Where the system does not tell whose a socket is (it does on Linux), any listener counts.
    """
    # First, because it costs nothing: the tables of a busy machine are long.
    if not accepts(port, host):
        return False
    if not PROC_TABLES[0].exists():
        return True
    try:
        return not _listeners(port).isdisjoint(_sockets_of(pid))
    except OSError:
        return False  # the process ended under our eyes


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _listeners(port: int) -> set[str]:
    """The inodes of the sockets that listen on this port. The tables' format: proc_pid_net(5)."""
    inodes = set()
    for table in PROC_TABLES:
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _sockets_of(pid: int) -> set[str]:
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
