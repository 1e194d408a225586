"""The models on an Ollama server: listed, described, brought, warmed, removed; and vectors."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from eloquent.foundation.http import close_http_client
from inference.errors import (
    AnswerCutOff,
    InferenceError,
    ModelFailed,
    ModelMissing,
    ModelUnreachable,
    PromptRejected,
)
from inference.providers import ollama_shelf
from inference.providers.ollama_shelf import PullProgress, Shelf, said_by_the_server
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.inference.replay import ReplayServer, Reply, recorded

PULL = [
    {"status": "pulling manifest"},
    {"status": "pulling 941f309b54ca", "digest": "sha256:941f", "total": 98362432, "completed": 7340032},
    {"status": "pulling 941f309b54ca", "digest": "sha256:941f", "total": 98362432, "completed": 98362432},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
]


@pytest_asyncio.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(fake=FakeModel(), vectors=FakeModel(capabilities=("embedding",), loaded=False)) as fake:
        yield fake
    await close_http_client()


async def test_what_is_installed_and_what_is_loaded_is_told_apart(replay: ReplayServer) -> None:
    replay.replies["/api/tags"] = recorded("ollama_tags").reply()
    replay.replies["/api/ps"] = recorded("ollama_ps_loaded").reply()
    shelf = Shelf(replay.url)
    installed = {model.name: model for model in await shelf.installed()}
    [loaded] = await shelf.loaded()
    assert loaded.name in installed
    assert loaded.context_length == 4096
    model = installed[loaded.name]
    assert (model.family, model.parameters, model.quantization) == ("llama", "134.52M", "Q4_1")
    assert model.size_bytes > 50_000_000
    assert loaded.expires_at.startswith("2026-")


async def test_a_model_is_described_without_its_tensors(replay: ReplayServer) -> None:
    told = json.loads(recorded("ollama_show").body) | {"tensors": [{"name": "blk.0.attn_k.weight"}]}
    body = json.dumps(told).encode()
    replay.replies["/api/show"] = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    described = await Shelf(replay.url).describe("smollm2:135m")
    assert described["model_info"]["general.architecture"] == "llama"
    assert "tensors" not in described


async def test_a_model_is_brought_with_its_progress(ollama: FakeOllama) -> None:
    ollama.registry["new:latest"] = PULL
    steps = [step async for step in Shelf(ollama.url).pull("new")]
    assert steps[0] == PullProgress("pulling manifest", 0, 0)
    assert steps[1] == PullProgress("pulling 941f309b54ca", 98362432, 7340032)
    assert steps[-1].status == "success"
    assert "new:latest" in ollama.models


async def test_a_pull_split_at_any_byte_is_the_same(replay: ReplayServer) -> None:
    lines = [json.dumps(step) + "\n" for step in PULL]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(line), line.encode()) for line in lines)
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    for position in range(1, len(wire)):
        replay.replies["/api/pull"] = Reply(wire, (position,))
        steps = [step.status async for step in Shelf(replay.url).pull("m")]
        assert steps == [step["status"] for step in PULL], position


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ([{"status": "pulling manifest"}, {"error": "dial tcp: network is unreachable"}], ModelFailed),
        ([{"status": "pulling manifest"}], AnswerCutOff),
    ],
)
async def test_a_model_that_cannot_be_brought_is_an_error_with_the_servers_words_for_operators(
    ollama: FakeOllama, told: list[dict[str, object]], kind: type[InferenceError]
) -> None:
    ollama.registry["new:latest"] = told
    with pytest.raises(kind) as caught:
        [step async for step in Shelf(ollama.url).pull("new")]
    assert ("network is unreachable" in said_by_the_server(caught.value)) == (kind is ModelFailed)
    assert "network" not in caught.value.detail


async def test_an_unknown_model_cannot_be_brought(ollama: FakeOllama) -> None:
    with pytest.raises(ModelFailed) as caught:
        [step async for step in Shelf(ollama.url).pull("nobody")]
    assert "file does not exist" in said_by_the_server(caught.value)


async def test_a_pull_that_says_nothing_is_given_up_and_its_connection_closed(
    replay: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama_shelf, "SILENCE_LIMIT_S", 0.05)
    wire = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"status":"x"}\r\n\r\n'
    replay.replies["/api/pull"] = Reply(wire + b"0\r\n\r\n", gates={len(wire): asyncio.Event()})
    with pytest.raises(AnswerCutOff):
        [step async for step in Shelf(replay.url).pull("m")]
    await replay.until(hung_up=1)


async def test_leaving_a_pull_closes_the_connection(replay: ReplayServer) -> None:
    wire = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"status":"x"}\r\n\r\n'
    replay.replies["/api/pull"] = Reply(wire + b"0\r\n\r\n", gates={len(wire): asyncio.Event()})
    async with aclosing(Shelf(replay.url).pull("m")) as steps:
        assert (await anext(steps)).status == "x"
    await replay.until(hung_up=1)


async def test_warming_uses_the_window_that_answers_use_and_unloading_frees(ollama: FakeOllama) -> None:
    shelf = Shelf(ollama.url)
    ollama.models["fake:latest"].loaded = False
    await shelf.warm("fake", window=2048, keep_alive="1h")
    assert [model.name for model in await shelf.loaded()] == ["fake:latest"]
    assert ollama.loads[-1]["options"] == {"num_ctx": 2048}
    assert ollama.loads[-1]["keep_alive"] == "1h"
    await shelf.unload("fake")
    assert await shelf.loaded() == []


async def test_a_model_that_does_not_load_in_time_failed(replay: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ollama_shelf, "WARMING_LIMIT_S", 2)  # until when the request has arrived anywhere
    replay.replies["/api/chat"] = recorded("ollama_load").reply(gates={0: asyncio.Event()})
    with pytest.raises(ModelFailed):
        await Shelf(replay.url).warm("m", window=2048)
    await replay.until(hung_up=1)


async def test_a_model_is_removed_once(ollama: FakeOllama) -> None:
    shelf = Shelf(ollama.url)
    await shelf.remove("fake")
    assert [model.name for model in await shelf.installed()] == ["vectors:latest"]
    with pytest.raises(ModelMissing):
        await shelf.remove("fake")


async def test_texts_become_vectors_in_their_order(ollama: FakeOllama) -> None:
    shelf = Shelf(ollama.url)
    assert await shelf.embed("vectors", ["a", "bcd"]) == [[1.0, 1.0], [1.0, 3.0]]
    assert await Shelf("http://127.0.0.1:1").embed("vectors", []) == []
    with pytest.raises(PromptRejected):
        await shelf.embed("fake", ["a"])
    with pytest.raises(ModelMissing):
        await shelf.embed("nobody", ["a"])


async def test_a_server_that_is_gone_is_unreachable_for_each_of_them() -> None:
    shelf = Shelf("http://127.0.0.1:1")

    async def pulled() -> None:
        [step async for step in shelf.pull("m")]

    for asked in (shelf.installed(), shelf.loaded(), shelf.describe("m"), shelf.remove("m"), pulled()):
        with pytest.raises(ModelUnreachable):
            await asked
