"""The whole chat as a browser meets it: the real server process, a real small model, and a scripted one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import redis

from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.embedded.programs import PROJECT, project_environment
from eloquent.embedded.web import WebServer
from tests.fakes.mail_server import MailServer, mail_server
from tests.fakes.mcp_server import mcp_server
from tests.fakes.ollama import FakeModel, FakeOllama, fake_ollama_in_a_thread
from tests.fakes.openid import FakeProvider, openid_provider
from tests.fakes.threads import serving_in_a_thread

SCRIPTED = "scripted"
HANDY = "handy"
"""A model that calls two tools of an MCP server, one of which the user must agree to, and then says so."""
REAL = "smollm2-135m"
SEES = ("completion", "vision")


class Site:
    """A running chat at `url`. `environment` says where its database and Redis are; both are its own."""

    def __init__(
        self,
        web: WebServer,
        ollama: FakeOllama,
        mail: MailServer,
        provider: FakeProvider,
        environment: Mapping[str, str],
    ) -> None:
        self.web = web
        self.provider = provider
        self.ollama = ollama
        self.mail = mail
        self._environment = environment

    @property
    def url(self) -> str:
        """Without a slash at the end. The same after a restart."""
        return self.web.address

    def script(self, *tokens: str, gates: tuple[int, ...] = (), **manners: object) -> dict[int, "Gate"]:
        """What the scripted model says next. A gate at n holds back token n and what follows until it is opened."""
        made = {at: Gate(self.ollama) for at in gates}
        events = {at: gate.event for at, gate in made.items()}
        self.ollama.models[f"{SCRIPTED}:latest"] = FakeModel(  # type: ignore[arg-type]
            tokens=tokens, gates=events, **({"capabilities": SEES} | manners)
        )
        return made

    def manage(self, *arguments: str) -> str:
        """Run `manage.py`; what it printed."""
        command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
        environment = project_environment(self._environment)
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def forget_attempts(self) -> None:
        """All tests come from one address: what one of them tried must not throttle the next."""
        with redis.Redis.from_url(self._environment["REDIS_URL"]) as client:
            client.flushdb()


def _handy() -> FakeModel:
    calls = (("house__add", {"a": 20, "b": 22}), ("house__writes", {"length": 3}))
    return FakeModel(tokens=("It is", " done."), calls=calls, capabilities=("completion", "tools"))


class _PatientServer(WebServer):
    start_timeout_s: ClassVar[float] = 120.0


class Gate:
    """Holds the scripted model back. It lives in the loop of the fake server's thread."""

    def __init__(self, ollama: FakeOllama) -> None:
        self.event = asyncio.Event()
        self._loop = ollama._server.get_loop()

    def open(self) -> None:
        """Let it go on."""
        self._loop.call_soon_threadsafe(self.event.set)


@contextmanager
def running_site(directory: Path, *, mongodb_uri: str, redis_url: str) -> Iterator[Site]:
    """Start all of it; `directory` takes its data and logs."""
    with ExitStack() as stack:
        llamacpp = stack.enter_context(LlamaCpp(data_dir=directory / "llamacpp"))
        models = {SCRIPTED: FakeModel(capabilities=SEES), HANDY: _handy()}
        ollama = stack.enter_context(fake_ollama_in_a_thread(**models))
        mcp = stack.enter_context(serving_in_a_thread(mcp_server()))
        mail = stack.enter_context(serving_in_a_thread(mail_server()))
        provider = stack.enter_context(serving_in_a_thread(openid_provider()))
        trusted = {"trusts_email": True, "registers": True}
        environment = {
            "ELOQUENT_ENV": "test",
            "ELOQUENT_STATE_DIR": str(directory / "state"),
            "MONGODB_URI": mongodb_uri,
            "MONGODB_NAME": "eloquent_browser",
            "REDIS_URL": redis_url,
            "OLLAMA_HOST": ollama.url,
            "OLLAMA_MODEL": SCRIPTED,
            "LLAMACPP_HOST": llamacpp.address,
            "MCP_SERVERS": json.dumps({"house": {"url": mcp.url, "tools": ["add", "writes"]}}),
            "MCP_ALLOWED_HOSTS": mcp.url.removesuffix("/mcp"),
            "DEFAULT_TOOLS": "house__add,house__writes",
            "MAIL_BACKEND": "smtp",
            "SMTP_URL": mail.url,
            "OPENID_PROVIDERS": json.dumps({"example": provider.setting | trusted}),
            "LOG_LEVEL": "INFO",
            "TITLE_MODEL": "off",  # the scripted model is to say what a test wants, when it wants it
        }
        web = _PatientServer(directory / "web", port=None)
        web.settings = environment
        site = Site(web, ollama, mail, provider, environment)
        site.manage("migrate", "--verbosity", "0")
        stack.callback(web.kill)
        web.start()
        yield site
