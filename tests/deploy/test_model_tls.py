"""What stands in front of Ollama in its task, with its image's own files: stunnel, and the application's client."""

import asyncio
import os
import re
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from eloquent.embedded.ports import any_free_port
from eloquent.foundation import http
from eloquent.foundation.certificates import Identity, self_signed
from eloquent.foundation.config import get_config
from inference.errors import AnswerCutOff, ModelUnreachable
from inference.providers.ollama import Ollama
from inference.types import PromptMessage, PromptRequest, TextDelta
from tests.deploy.tools import ROOT, system_program
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.inference.rigs import collected, text_of

pytestmark = pytest.mark.deploy

ASKING = PromptRequest("fake:latest", (PromptMessage("user", "Hi"),))
WORDS = ("One ", "answer ", "that ", "is ", "held ", "up.")


@dataclass
class Front:
    """stunnel, and what is behind it."""

    ollama: FakeOllama
    process: asyncio.subprocess.Process
    url: str
    directory: Path


@pytest.fixture(scope="module")
def identity() -> Identity:
    return self_signed("localhost", lasts=timedelta(days=1))


@pytest_asyncio.fixture
async def front(identity: Identity, tmp_path: Path) -> AsyncIterator[Front]:
    """The image's own script and configuration, but for where: directory, and the ports of this test."""
    system_program("stunnel", "stunnel4")
    port = any_free_port()
    async with FakeOllama(fake=FakeModel(tokens=WORDS, gates={3: asyncio.Event()})) as ollama:
        where = {"/etc/eloquent": str(tmp_path), "/tmp": str(tmp_path)}
        where |= {"11434": str(port), "11435": ollama.url.rpartition(":")[2]}
        for name in ("ollama-tls.sh", "ollama-tls.conf"):
            text = (ROOT / "deploy" / "image" / name).read_text()
            (tmp_path / name).write_text(re.sub("|".join(where), lambda found: where[found[0]], text))
        environment = {"PATH": os.environ["PATH"], "IDENTITY": identity.key + identity.certificate}
        process = await asyncio.create_subprocess_exec("sh", str(tmp_path / "ollama-tls.sh"), env=environment)
        try:
            async with asyncio.timeout(10):
                while not listens(port):
                    assert process.returncode is None
                    await asyncio.sleep(0.01)
            yield Front(ollama, process, f"https://localhost:{port}", tmp_path)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await http.close_http_client()


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def _known(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    config = get_config().model_copy(update={"model_ca": SecretStr(identity.certificate)})
    monkeypatch.setattr(http, "get_config", lambda: config)


@pytest.mark.usefixtures("_known")
async def test_words_arrive_when_they_are_said(front: Front) -> None:
    text = ""
    async with asyncio.timeout(20), aclosing(Ollama(front.url).answer(ASKING)) as events:
        async for event in events:
            text += event.text if isinstance(event, TextDelta) else ""
            if text == "".join(WORDS[:3]):
                # Nothing more comes before this: what was said is here, and nothing of it waits on the way.
                front.ollama.models["fake:latest"].gates[3].set()
    assert text == "".join(WORDS)


@pytest.mark.usefixtures("_known")
async def test_who_leaves_is_gone_behind_it_too(front: Front) -> None:
    async with asyncio.timeout(20), aclosing(Ollama(front.url).answer(ASKING)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    async with asyncio.timeout(20):
        await front.ollama.until(closed=1)
    assert front.ollama.completed == 0


@pytest.mark.usefixtures("_known")
async def test_an_answer_that_breaks_off_behind_it_is_no_whole_one(front: Front) -> None:
    model = front.ollama.models["fake:latest"]
    model.gates, model.dies_after = {}, 3
    events, error = await collected(Ollama(front.url).answer(ASKING))
    assert text_of(events) == "".join(WORDS[:3])
    assert isinstance(error, AnswerCutOff)


async def test_who_does_not_know_its_certificate_says_nothing_to_it(front: Front) -> None:
    _, error = await collected(Ollama(front.url).answer(ASKING))
    assert isinstance(error, ModelUnreachable)
    assert front.ollama.requests == []


async def test_without_tls_nobody_is_answered(front: Front) -> None:
    async with httpx.AsyncClient(base_url=front.url.replace("https", "http"), timeout=30) as plain:
        with pytest.raises(httpx.TransportError):
            await plain.get("/api/tags")


def test_the_key_is_its_own_and_nobody_elses(front: Front, identity: Identity) -> None:
    kept = front.directory / "IDENTITY.pem"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().strip() == (identity.key + identity.certificate).strip()
    assert b"PRIVATE" not in Path(f"/proc/{front.process.pid}/environ").read_bytes()
    assert Path(f"/proc/{front.process.pid}/comm").read_text().startswith("stunnel"), "nothing stands before it"
