"""A server that is only there to be supervised: it listens, says a line, and behaves as its flags say."""

import os
import signal
import socket
import sys
from pathlib import Path

from eloquent.embedded.base import EmbeddedServer

LISTEN = """
import signal, socket, sys
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("talker says hello", flush=True)
if {mute}:
    signal.pause()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
answered = 0
while True:
    connection, _ = listener.accept()
    with connection:
        answered += len(connection.recv(1))  # nothing from who only looks whether it listens
    if 0 < answered == {dies_after}:
        print("talker has had enough", flush=True)
        sys.exit(3)
"""


class Talker(EmbeddedServer):
    name = "talker"
    log_name = "talker"
    start_timeout_s = 10.0
    stop_grace_s = 5.0
    hurried_grace_s = 0.1

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        deaf: bool = False,
        mute: bool = False,
        dies_after: int = 0,
    ) -> None:
        super().__init__(data_dir, port)
        self.script = LISTEN.format(deaf=deaf, mute=mute, dies_after=dies_after)
        self.starts: list[int] = []
        if deaf:
            self.hurry_signal = signal.SIGTERM

    def command(self, port: int) -> list[str]:
        self.starts.append(port)
        return [sys.executable, "-I", "-S", "-c", self.script, str(port)]

    def address_of(self, port: int) -> str:
        return f"tcp://127.0.0.1:{port}"

    def crash(self) -> None:
        """Dies by itself, as it seems; psutil's own waiting would take the exit code away from us."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        assert self._process is not None
        self._process.wait(10)

    def be_asked(self) -> None:
        """Makes one that `dies_after=1` die."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"?")
        self.wait()

    def answers(self, port: int) -> bool:
        del port
        return True
