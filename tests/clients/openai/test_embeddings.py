"""The official `openai` package has texts made into vectors, by an Ollama."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from chat import embeddings
from chat.openai_embeddings import MOST_TEXTS, embeddings_out
from eloquent.foundation import lifecycle
from eloquent.foundation.database import database
from inference.billing.bill import all_settled
from inference.catalog import Catalog, offering
from inference.errors import ModelUnreachable
from inference.offers import OfferedModel
from inference.providers.base import Embedder
from inference.providers.ollama import Ollama
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.chat.programs import new_key
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.people import Person

VECTORS = OfferedModel("x/vectors", "vectors", "x", default=False, context_window=8192, capabilities=("embedding",))


@pytest_asyncio.fixture
async def ollama() -> AsyncIterator[FakeOllama]:
    """One with a model that makes vectors, and one that chats."""
    async with FakeOllama(fake=FakeModel(), vectors=FakeModel(capabilities=("embedding",))) as fake:
        with offering(VECTORS, Ollama(fake.url)):
            yield fake


async def test_texts_come_back_as_vectors(client: AsyncOpenAI, ollama: FakeOllama) -> None:
    # The package asks for base64 by itself, and reads it.
    made = await client.embeddings.create(model="x/vectors", input=["a", "bcd"])
    assert [(each.index, each.embedding) for each in made.data] == [(0, [1.0, 1.0]), (1, [1.0, 3.0])]
    assert (made.model, made.object) == ("x/vectors", "list")
    assert (made.usage.prompt_tokens, made.usage.total_tokens) == (22, 22)
    alone = await client.embeddings.create(model="vectors", input="four", encoding_format="float")
    assert [each.embedding for each in alone.data] == [[1.0, 4.0]]
    assert [(body["model"], body["input"], body["truncate"]) for body in ollama.embedded] == [
        ("vectors", ["a", "bcd"], False),
        ("vectors", ["four"], False),
    ]


async def test_many_texts_go_a_few_at_a_time(client: AsyncOpenAI, ollama: FakeOllama) -> None:
    texts = ["x" * (number + 1) for number in range(MOST_TEXTS)]
    made = await client.embeddings.create(model="x/vectors", input=texts)
    assert [each.embedding[1] for each in made.data] == [len(text) for text in texts]
    assert made.usage.prompt_tokens == 11 * MOST_TEXTS
    assert max(len(body["input"]) for body in ollama.embedded) == 32


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", " "]}, "input"),
        ({"input": ["a"] * (MOST_TEXTS + 1)}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2, 3]]}, "input"),
        ({"dimensions": 64}, "dimensions"),
        ({"extra_body": {"encoding_format": "int8"}}, "encoding_format"),
        ({"extra_body": {"input": 5}}, "input"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_cannot_be_served_is_refused(
    client: AsyncOpenAI, ollama: FakeOllama, changes: dict[str, Any], param: str
) -> None:
    asked: dict[str, Any] = {"model": "x/vectors", "input": "a", "encoding_format": "float"}
    with pytest.raises(openai.BadRequestError) as refused:
        await client.embeddings.create(**(asked | changes))
    assert refused.value.param == param
    assert ollama.embedded == []
    assert await client.embeddings.create(**asked)


async def test_a_model_that_chats_makes_none_and_one_that_makes_them_does_not_chat(
    client: AsyncOpenAI, ollama: FakeOllama, model: LanguageModel
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.embeddings.create(model=SCRIPTED.id, input="a")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="x/vectors", messages=[{"role": "user", "content": "Hi"}])
    listed = [each.id async for each in client.models.list()]
    assert listed[0] == SCRIPTED.id
    assert "x/vectors" in listed
    assert (await client.models.retrieve("x/vectors")).id == "x/vectors"


async def test_what_goes_wrong_at_the_server_has_its_own_error(client: AsyncOpenAI, ollama: FakeOllama) -> None:
    ollama.models.clear()
    with pytest.raises(openai.APIStatusError) as missing:
        await client.embeddings.create(model="x/vectors", input="a")
    assert (missing.value.status_code, missing.value.code) == (503, "model_missing")
    await ollama.die()
    with pytest.raises(openai.APIStatusError) as away:
        await client.embeddings.create(model="x/vectors", input="a")
    assert (away.value.status_code, away.value.code) == (503, "model_unreachable")
    await all_settled()
    assert await database()["usage"].count_documents({"purpose": "embedding"}) == 0


async def test_each_call_is_charged(client: AsyncOpenAI, ollama: FakeOllama) -> None:
    await client.embeddings.create(model="x/vectors", input=["a", "b"])
    await all_settled()
    [line] = await database()["usage"].find({"purpose": "embedding"}).to_list()
    assert (line["model"], line["input_tokens"], line["output_tokens"]) == ("x/vectors", 22, 0)
    assert (line["source"], line["outcome"]) == ("reported", "complete")


async def test_a_key_without_the_scope_a_full_user_and_a_draining_process_are_refused(
    ann: Person, client: AsyncOpenAI, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = (await new_key(ann, "models"))["secret"]
    async with AsyncOpenAI(base_url=f"{ann.server}/v1", api_key=secret, max_retries=0) as reader:
        with pytest.raises(openai.PermissionDeniedError):
            await reader.embeddings.create(model="x/vectors", input="a")
    lifecycle.start_draining()
    try:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.embeddings.create(model="x/vectors", input="a")
    finally:
        lifecycle.open_for_work()
    assert refused.value.code == "draining"
    monkeypatch.setattr(embeddings, "MOST_AT_ONCE_OF_A_USER", 0)
    with pytest.raises(openai.RateLimitError):
        await client.embeddings.create(model="x/vectors", input="a")
    monkeypatch.undo()
    assert await client.embeddings.create(model="x/vectors", input="a")
    assert not embeddings._at_work


async def test_the_catalog_knows_the_models_of_a_server_that_make_vectors(ollama: FakeOllama) -> None:
    provider = Ollama(ollama.url)
    assert isinstance(provider, Embedder)
    catalog = Catalog([provider])
    try:
        assert [model.name for model in await catalog.models()] == ["fake:latest"]
        assert [model.id for model in await catalog.embedders()] == ["ollama/vectors:latest"]
    finally:
        await catalog.aclose()
    assert catalog.unreachable == {}
    await ollama.die()
    away = Catalog([provider])
    try:
        assert await away.embedders() == []
    finally:
        await away.aclose()
    assert isinstance(away.unreachable["ollama"], ModelUnreachable)


def test_tokens_that_nobody_counted_are_estimated() -> None:
    told = embeddings_out("m", [[0.5]], "float", texts=["Why is the sky blue?"], input_tokens=None)
    assert 3 < told["usage"]["prompt_tokens"] < 30
    assert json.loads(json.dumps(told["data"])) == [{"object": "embedding", "index": 0, "embedding": [0.5]}]


async def test_a_body_that_is_no_json_is_refused(ann: Person, secret: str, ollama: FakeOllama) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=f"{ann.server}/v1", headers=headers, timeout=30) as http:
        answers = await asyncio.gather(*(http.post("/embeddings", content=body) for body in (b"{", b"\xff", b"")))
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {(400, "invalid_json")}
