"""Loopback ports: whether one is free, and a free one."""

import socket

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535


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


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
