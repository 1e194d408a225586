"""The chat's own web server as a supervised child."""

import http.client
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from eloquent.embedded import ports, programs
from eloquent.embedded.base import EmbeddedServer
from eloquent.foundation.timeout_chain import STOP_TIMEOUT_S

EVERYWHERE = {"0.0.0.0": ports.LOOPBACK, "::": "::1"}  # noqa: S104 - what the user asked for, turned into what to ask


class WebServer(EmbeddedServer):
    """uvicorn with `eloquent.asgi`. `settings` are added to its environment; change them before the start.

    Ready means that `/readyz` says so. Stopping lets running answers finish, which takes up to two minutes.
    """

    name: ClassVar[str] = "web server"
    log_name: ClassVar[str] = "web"
    essential: ClassVar[bool] = True
    # It ends by itself because of a fault in the code or the settings, which a new try would meet again.
    restarts: ClassVar[bool] = False
    start_timeout_s: ClassVar[float] = 30.0
    # See eloquent.lifespan: running answers finish, the rest is interrupted and saved, streams are cut.
    stop_grace_s: ClassVar[float] = STOP_TIMEOUT_S
    # A second signal ends the drain: what runs is interrupted and saved.
    hurried_grace_s: ClassVar[float] = 12.0
    hurry_signal: ClassVar[signal.Signals] = signal.SIGINT
    # When we were killed its database goes at the same moment: nothing is left that a drain could save.
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, data_dir: Path, port: int | None, host: str = ports.LOOPBACK, workers: int = 1) -> None:
        super().__init__(data_dir, port)
        self.host = host
        self.workers = workers
        self.settings: dict[str, str] = {}
        self._last_answer = ""

    def command(self, port: int) -> list[str]:
        """This Python with our server module."""
        where = ["--host", self.host, "--port", str(port), "--workers", str(self.workers)]
        return [sys.executable, "-m", "eloquent.serving.web_server", *where]

    def environment(self) -> Mapping[str, str]:
        """Ours, the addresses of the servers it needs, and where it listens."""
        return programs.project_environment(
            {**self.settings, "HOST": self.host, "PORT": str(self.port), "WORKERS": str(self.workers)}
        )

    def address_of(self, port: int) -> str:
        """What to open in a browser on this machine, without a slash at the end."""
        host = EVERYWHERE.get(self.host, self.host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def answers(self, port: int) -> bool:
        """Whether it is ready for work, with all that it needs."""
        connection = http.client.HTTPConnection(EVERYWHERE.get(self.host, self.host), port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            self._last_answer = answer.read(2000).decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException):
            return False
        else:
            return answer.status == http.HTTPStatus.OK
        finally:
            connection.close()

    def last_words(self) -> list[str]:
        """What `/readyz` said."""
        return [f"/readyz: {self._last_answer}"] if self._last_answer else []
