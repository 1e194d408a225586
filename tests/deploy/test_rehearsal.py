"""The image, started as ECS starts it, on a real MongoDB and Valkey: what a deployment does, in its order."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo.database import Database

from eloquent.embedded.ports import any_free_port
from eloquent.foundation.lifecycle import DRAIN_TIMEOUT_S
from tests.deploy.conftest import HOST
from tests.deploy.container import Container, Process
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.people import Person

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]

WORDS = ("One ", "answer ", "that ", "a ", "signal ", "does ", "not ", "cut.")
START_S = 60


@pytest.fixture
def migrated(image: Container, settings: dict[str, str]) -> dict[str, str]:
    """What the one-off task leaves: a database that is up to date."""
    said = image.run("python", "manage.py", "migrate_once", "--staff", "staff@example.org", **settings)
    assert "Applying chat.0001_initial" in said
    assert "Password:" in said
    return settings


@pytest_asyncio.fixture
async def model() -> AsyncIterator[FakeOllama]:
    """A model that waits in the middle of its answer."""
    async with FakeOllama(fake=FakeModel(tokens=WORDS, gates={3: asyncio.Event()})) as ollama:
        yield ollama


@pytest.fixture
def served(image: Container, migrated: dict[str, str], model: FakeOllama) -> Iterator[tuple[Process, str]]:
    """The image's own command, and its address."""
    port = any_free_port()
    process = image.start(**migrated, PORT=str(port), OLLAMA_HOST=model.url, OLLAMA_MODEL="fake")
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()


async def until_ready(process: Process, address: str) -> None:
    async with asyncio.timeout(START_S), httpx.AsyncClient(base_url=address) as client:
        while True:
            if not process.is_running():
                raise AssertionError(process.ended(1)[1])
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)


async def test_an_answer_is_finished_and_saved_when_the_task_is_stopped_in_its_middle(
    image: Container, served: tuple[Process, str], model: FakeOllama, stored: Database[dict[str, Any]]
) -> None:
    process, address = served
    await until_ready(process, address)
    gate = model.models["fake:latest"].gates[3]
    ann = Person(address, "ann")
    ann.http.headers["Host"] = HOST
    async with ann, httpx.AsyncClient(base_url=address) as balancer:
        conversation = await ann.conversation()
        body = {"parts": [{"type": "text", "text": "Why?"}]}
        path, text, kinds = f"/conversations/{conversation}/runs", "", []
        async with ann.events(path, method="POST", json=body) as events:
            async for _, chunk in events:
                kinds.append(chunk["type"])
                text += chunk.get("delta", "")
                if text == "".join(WORDS[:3]) and not gate.is_set():
                    process.send(signal.SIGTERM)
                    async with asyncio.timeout(10):
                        while (await balancer.get("/readyz")).status_code != 503:
                            await asyncio.sleep(0.02)
                    assert (await balancer.get("/healthz")).status_code == 200, "alive, and on its way out"
                    assert (await ann.ask(conversation, "Another?", 503))["code"] == "draining"
                    files = process.files_in("tmp")
                    gate.set()
        assert text == "".join(WORDS)
        assert kinds[-1] == "finish"
    code, said = await asyncio.to_thread(process.ended, DRAIN_TIMEOUT_S)
    assert code == 0, said
    (answer,) = stored["messages"].find({"role": "assistant"})
    assert answer["status"] == "complete"
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == [text]
    assert stored["runs"].count_documents({"status": "complete"}) == 1
    # Nothing wanted to be written where nothing can be, and nothing is left where it could.
    assert "Read-only file system" not in said
    assert files == []
    logged = [json.loads(line) for line in said.splitlines()]
    assert [line for line in logged if line["level"] in {"error", "critical"}] == []


async def test_the_server_is_process_1_of_a_user_without_any_right(served: tuple[Process, str]) -> None:
    process, address = served
    await until_ready(process, address)
    status = process.status()
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"
    assert status["NSpid"].split()[-1] == "1"
    assert status["Name"].strip().startswith("python"), "no shell in front of it"


async def test_the_health_command_tells_a_server_that_is_alive_from_one_that_is_not(
    image: Container, served: tuple[Process, str]
) -> None:
    process, address = served
    await until_ready(process, address)
    port = address.rpartition(":")[2]
    asked = partial(image.start, image.health_command)
    assert await asyncio.to_thread(asked(PORT=port).ended, 30) == (0, "")
    code, said = await asyncio.to_thread(asked(PORT=str(any_free_port())).ended, 30)
    assert (code, said) == (1, "/healthz: ConnectionRefusedError\n")


async def test_static_files_are_kept_for_ever_by_browsers_and_by_a_cache_in_front(served: tuple[Process, str]) -> None:
    process, address = served
    await until_ready(process, address)
    async with httpx.AsyncClient(base_url=address, headers={"Host": HOST}) as client:
        page = await client.get("/", headers={"X-Forwarded-Proto": "https"})
        assert page.status_code == 200
        styles = page.text.split('rel="stylesheet" href="')[1].partition('"')[0]
        kept = await client.get(styles)
        assert kept.status_code == 200
        assert kept.headers["Cache-Control"] == "max-age=315360000, public, immutable"
        assert kept.headers["Content-Encoding"] in {"gzip", "br"}


def test_only_tmp_can_be_written(image: Container) -> None:
    for place in ("/app", "/opt/venv", "/var/lib/eloquent", "/etc", "/var/tmp", "/home"):
        code, said = image.start(["python", "-c", f"open('{place}/x', 'w')"]).ended(30)
        assert code == 1
        assert "Read-only file system" in said or "Permission denied" in said
    image.run("python", "-c", "open('/tmp/x', 'w')")


def test_one_off_tasks_that_start_at_once_migrate_once(image: Container, settings: dict[str, str]) -> None:
    both = [image.start(["python", "manage.py", "migrate_once"], **settings) for _ in range(2)]
    ended = [process.ended(120) for process in both]
    assert [code for code, _ in ended] == [0, 0], ended
    assert sum("Nothing to migrate." in said for _, said in ended) == 1


def test_without_its_settings_it_says_what_is_missing_and_ends(image: Container) -> None:
    code, said = image.start(ELOQUENT_ENV="prod", ALLOWED_HOSTS=HOST).ended(60)
    assert code != 0
    assert "SECRET_KEY: found nothing" in said
    assert "Traceback" not in said
