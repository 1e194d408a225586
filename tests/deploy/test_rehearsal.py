"""The image, started as ECS starts it, on a real MongoDB and Valkey: what a deployment does, in its order."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo import MongoClient

from deploy.programs import ALIVE, SERVE
from eloquent.embedded.ports import any_free_port
from eloquent.foundation.timeout_chain import DRAIN_S
from tests.deploy.conftest import HOST, production
from tests.deploy.container import Container, Process
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.front_door.threaded_server import asking_no_certificate
from tests.people import Person

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]

WORDS = ("One ", "answer ", "that ", "a ", "signal ", "does ", "not ", "cut.")
START_S = 60


@pytest.fixture(scope="module")
def migrated(image: Container) -> Iterator[dict[str, str]]:
    """What one-off tasks leave that start at once: a database that is up to date."""
    with production("served") as settings:
        command = ["python", "manage.py", "migrate_once", "--staff", "staff@example.org"]
        ended = [process.ended(120) for process in [image.start(command, **settings) for _ in range(2)]]
        assert [code for code, _ in ended] == [0, 0], ended
        for words in ("Applying chat.0001_initial", "Nothing to migrate.", "Password:"):
            assert sum(words in said for _, said in ended) == 1, ended
        yield settings


@pytest_asyncio.fixture
async def model() -> AsyncIterator[FakeOllama]:
    """A model that waits in the middle of its answer."""
    async with FakeOllama(fake=FakeModel(tokens=WORDS, gates={3: asyncio.Event()})) as ollama:
        yield ollama


@pytest_asyncio.fixture(scope="module")
async def served(image: Container, migrated: dict[str, str]) -> AsyncIterator[tuple[Process, str]]:
    """What ECS starts, ready, and its address."""
    async with serving(image, migrated) as started:
        yield started


@asynccontextmanager
async def serving(image: Container, settings: dict[str, str]) -> AsyncIterator[tuple[Process, str]]:
    port = any_free_port()
    process = image.start(SERVE, **settings, PORT=str(port))
    try:
        address = f"https://127.0.0.1:{port}"
        async with balancer_of(address) as client:
            await until_status(client, "/readyz", 200, within_s=START_S, process=process)
        yield process, address
    finally:
        process.kill()


def balancer_of(address: str, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, verify=asking_no_certificate(), timeout=30, **options)


async def until_status(
    client: httpx.AsyncClient, path: str, status: int, *, within_s: float, process: Process | None = None
) -> None:
    give_up = asyncio.get_running_loop().time() + within_s
    while asyncio.get_running_loop().time() < give_up:
        if process is not None and not process.is_running():
            raise AssertionError(process.ended(1)[1])
        with contextlib.suppress(httpx.TransportError):
            if (await client.get(path)).status_code == status:
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} is not {status} within {within_s:g} s")


async def test_an_answer_is_finished_and_saved_when_the_task_is_stopped_in_its_middle(
    image: Container, migrated: dict[str, str], model: FakeOllama
) -> None:
    settings = migrated | {"OLLAMA_HOST": model.url, "OLLAMA_MODEL": "fake"}
    async with serving(image, settings) as (process, address):
        gate = model.models["fake:latest"].gates[3]
        ann = Person(address, "ann", trusting=asking_no_certificate())
        ann.http.headers["Host"] = HOST
        async with ann, balancer_of(address) as balancer:
            conversation = await ann.conversation()
            body = {"parts": [{"type": "text", "text": "Why?"}]}
            path, text, kinds = f"/conversations/{conversation}/runs", "", []
            async with ann.events(path, method="POST", json=body) as events:
                async for _, chunk in events:
                    kinds.append(chunk["type"])
                    text += chunk.get("delta", "")
                    if text == "".join(WORDS[:3]) and not gate.is_set():
                        process.send(signal.SIGTERM)
                        await until_status(balancer, "/readyz", 503, within_s=10)
                        assert (await balancer.get("/healthz")).status_code == 200, "alive, and on its way out"
                        assert (await ann.ask(conversation, "Another?", 503))["code"] == "draining"
                        files = process.files_in("tmp")
                        gate.set()
            assert text == "".join(WORDS)
            assert kinds[-1] == "finish"
        code, said = await asyncio.to_thread(process.ended, DRAIN_S)
    assert code == 0, said
    with MongoClient[dict[str, Any]](settings["MONGODB_URI"]) as client:
        stored = client[settings["MONGODB_NAME"]]
        (answer,) = stored["messages"].find({"role": "assistant"})
        assert stored["runs"].count_documents({"status": "complete"}) == 1
    assert answer["status"] == "complete"
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == [text]
    # Nothing wanted to be written where nothing can be, and nothing is left where it could.
    assert "Read-only file system" not in said
    assert files == []
    logged = [json.loads(line) for line in said.splitlines()]
    assert [line for line in logged if line["level"] in {"error", "critical"}] == []


async def test_two_workers_below_process_1_serve_and_end_with_it(image: Container, migrated: dict[str, str]) -> None:
    async with serving(image, migrated | {"WORKERS": "2"}) as (process, address):
        async with balancer_of(address) as balancer:
            for _ in range(20):
                assert (await balancer.get("/readyz")).status_code == 200
        process.send(signal.SIGTERM)
        code, said = await asyncio.to_thread(process.ended, DRAIN_S)
    assert code == 0, said
    assert said.count("Started server process") == 2, "and none of them had to be replaced"


async def test_the_server_is_process_1_of_a_user_without_any_right(served: tuple[Process, str]) -> None:
    process, _ = served
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
    _, address = served
    port = address.rpartition(":")[2]
    assert [*ALIVE] == [*image.health_command, "--tls"]
    asked = partial(image.start, ALIVE)
    assert await asyncio.to_thread(asked(PORT=port).ended, 30) == (0, "")
    code, said = await asyncio.to_thread(asked(PORT=str(any_free_port())).ended, 30)
    assert (code, said) == (1, "/healthz: ConnectionRefusedError\n")


async def test_static_files_are_kept_for_ever_by_browsers_and_by_a_cache_in_front(served: tuple[Process, str]) -> None:
    _, address = served
    async with balancer_of(address, headers={"Host": HOST}) as client:
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
    image.run("python", "-c", "open('/tmp/X', 'w')")


def test_without_its_settings_it_says_what_is_missing_and_ends(image: Container) -> None:
    code, said = image.start(ELOQUENT_ENV="prod", ALLOWED_HOSTS=HOST).ended(60)
    assert code != 0
    assert "SECRET_KEY: found nothing" in said
    assert "Traceback" not in said
