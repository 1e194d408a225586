"""The whole way to a real model: llama.cpp with SmolLM2, as `manage.py up` starts it."""

import asyncio
from collections.abc import Iterator

import pytest
import pytest_asyncio

from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.foundation.http import close_http_client
from inference import catalog
from inference.catalog import Catalog, model_named
from inference.errors import ModelUnreachable, PromptTooLong
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.openai_compatible import OpenAICompatible
from inference.router import answer
from inference.types import Finished, FinishReason, GenerationOptions, PromptMessage, PromptRequest, TextDelta
from tests.inference.rigs import collected, text_of

LONG_STORY = 900
"""Tokens."""
FEW_WORDS = 20


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaCpp]:
    with LlamaCpp(context=1024, parallel=1) as server:
        yield server


def asking(text: str, *, tokens: int = 12, model: str = "x") -> PromptRequest:
    options = GenerationOptions(temperature=0, max_output_tokens=tokens, seed=1)
    return PromptRequest(model, (PromptMessage("user", text),), options)


@pytest_asyncio.fixture
async def _live(llama: LlamaCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    providers = [LlamaCppServer(llama.address), OpenAICompatible(f"{llama.address}/v1")]
    monkeypatch.setattr(catalog, "_current", (asyncio.get_running_loop(), Catalog(providers)))


@pytest.mark.usefixtures("_live")
async def test_a_real_model_answers_through_the_catalog_and_the_router() -> None:
    model = await model_named(None)
    assert (model.provider, model.context_window) == ("llamacpp", 1024)
    events, error = await collected(answer(model, asking("Say hello.")))
    assert error is None
    assert text_of(events)
    assert isinstance(events[-1], Finished)
    assert events[-1].usage.reported
    assert 0 < (events[-1].usage.output_tokens or 0) <= 12


@pytest.mark.usefixtures("_live")
async def test_both_providers_of_one_server_get_the_same_answer() -> None:
    texts = []
    for provider in ("llamacpp", "openai-compatible"):
        model = next(model for model in await catalog.models_offered() if model.provider == provider)
        events, error = await collected(answer(model, asking("Count to five.")))
        assert error is None
        texts.append(text_of(events))
    assert texts[0] == texts[1]


@pytest.mark.usefixtures("_live")
async def test_the_limit_on_tokens_is_a_length_and_a_long_prompt_an_error() -> None:
    model = await model_named(None)
    events, _ = await collected(answer(model, asking("Tell me a long story.", tokens=3)))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.LENGTH
    _, error = await collected(answer(model, asking("word " * 3000)))
    assert type(error) is PromptTooLong


@pytest.mark.usefixtures("_live")
async def test_a_stopped_answer_frees_the_only_slot() -> None:
    model = await model_named(None)
    loop = asyncio.get_running_loop()
    events = answer(model, asking("Tell me a very long story about a dragon.", tokens=LONG_STORY))
    assert isinstance(await anext(events), TextDelta)
    began_at = loop.time()
    for _ in range(FEW_WORDS):
        await anext(events)
    whole_story_s = (loop.time() - began_at) / FEW_WORDS * LONG_STORY
    await events.aclose()
    # With one slot, this would wait for the story's end if the model had not stopped.
    async with asyncio.timeout(max(5, whole_story_s / 2)):
        _, error = await collected(answer(model, asking("Say hello.", tokens=2)))
    assert error is None


@pytest.mark.usefixtures("_live")
async def test_a_killed_server_cuts_the_answer_off_and_is_unreachable_then() -> None:
    with LlamaCpp(context=1024, parallel=1) as server:
        provider = LlamaCppServer(server.address)
        events = provider.answer(asking("Tell me a very long story about a dragon.", tokens=900))
        assert isinstance(await anext(events), TextDelta)
        server.kill()
        _, error = await collected(events)
        assert error is not None
        assert error.code == "answer_cut_off"  # type: ignore[attr-defined]
        with pytest.raises(ModelUnreachable):
            await provider.models()
    await close_http_client()
