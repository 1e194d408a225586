"""The official `openai` package against the running server."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from chat import completions
from eloquent.foundation import lifecycle
from inference.catalog import offering
from inference.errors import AnswerCutOff, ModelBusy, PromptTooLong
from inference.offers import OfferedModel
from inference.providers.ollama import Ollama
from inference.types import Finished, FinishReason, ReasoningDelta, Usage
from tests.chat.conftest import LanguageModel
from tests.chat.programs import new_key
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.people import Person

SCRIPTED = "scripted/scripted"
HI: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


async def test_models_are_listed_and_retrieved(client: AsyncOpenAI, model: LanguageModel) -> None:
    listed = [each.id async for each in client.models.list()]
    assert SCRIPTED in listed
    retrieved = await client.models.retrieve(SCRIPTED)
    assert (retrieved.id, retrieved.object, retrieved.owned_by) == (SCRIPTED, "model", "scripted")


async def test_a_completion_is_read(client: AsyncOpenAI, model: LanguageModel) -> None:
    answer = await client.chat.completions.create(model=SCRIPTED, messages=HI, temperature=0.2, max_tokens=50, user="a")
    assert answer.choices[0].message.content == "Hello there!"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4
    assert answer.object == "chat.completion"
    assert answer._request_id
    assert [message.role for message in model.provider.requests[0].messages] == ["system", "user"]


async def test_the_synchronous_client_reads_the_same(ann: Person, secret: str, model: LanguageModel) -> None:
    def ask() -> str | None:
        with OpenAI(base_url=f"{ann.server}/v1", api_key=secret, max_retries=0) as synchronous:
            return synchronous.chat.completions.create(model="scripted", messages=HI).choices[0].message.content

    assert await asyncio.to_thread(ask) == "Hello there!"


async def test_a_stream_is_read_with_its_usage(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = [
        ReasoningDelta("Hm."),
        "Hé",
        "llo \u2028 😀",
        Finished(FinishReason.LENGTH, Usage(3, 4, reported=True)),
    ]
    stream = await client.chat.completions.create(
        model=SCRIPTED, messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "Héllo \u2028 😀"
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Hm."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 4)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_the_clients_own_accumulator_builds_the_answer(client: AsyncOpenAI, model: LanguageModel) -> None:
    async with client.chat.completions.stream(model=SCRIPTED, messages=HI) as stream:
        kinds = {event.type async for event in stream}
        answer = await stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert answer.choices[0].message.content == "Hello there!"
    assert answer.choices[0].finish_reason == "stop"


async def test_closing_a_stream_stops_the_model(client: AsyncOpenAI) -> None:
    fake = FakeModel(tokens=["a", "b", "c"], gates={2: asyncio.Event()})
    offered = OfferedModel("fake/fake", "fake", "fake", default=False, context_window=8192)
    async with FakeOllama(fake=fake) as ollama, asyncio.timeout(10):
        with offering(offered, Ollama(ollama.url)):
            stream = await client.chat.completions.create(model="fake/fake", messages=HI, stream=True)
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()
            await ollama.until(closed=1)
            assert (ollama.completed, ollama.answering) == (0, 0)


async def test_a_client_that_gives_up_waiting_stops_the_model(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = [asyncio.Event()]
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(model=SCRIPTED, messages=HI, timeout=0.3)
    async with asyncio.timeout(10):
        await model.provider.until_idle()


# Each refusal is the exception that a program written for OpenAI expects.


async def test_a_wrong_key_is_an_authentication_error(ann: Person, model: LanguageModel) -> None:
    async with AsyncOpenAI(base_url=f"{ann.server}/v1", api_key="sk-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.chat.completions.create(model=SCRIPTED, messages=HI)
    assert refused.value.code == "invalid_api_key"
    assert refused.value.type == "invalid_request_error"


async def test_a_missing_scope_is_a_permission_error(ann: Person, model: LanguageModel) -> None:
    key = (await new_key(ann, "models"))["secret"]
    async with AsyncOpenAI(base_url=f"{ann.server}/v1", api_key=key, max_retries=0) as reader:
        assert [each async for each in reader.models.list()]
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await reader.chat.completions.create(model=SCRIPTED, messages=HI)
    assert refused.value.code == "missing_scope"


async def test_an_unknown_model_is_a_not_found_error(client: AsyncOpenAI, model: LanguageModel) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="gpt-9", messages=HI)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-9")
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model=SCRIPTED, input="Hi")


async def test_what_cannot_be_served_is_a_bad_request_error(client: AsyncOpenAI, model: LanguageModel) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=SCRIPTED, messages=HI, n=2)
    assert refused.value.param == "n"
    model.script = [PromptTooLong("scripted")]
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=SCRIPTED, messages=HI, stream=True)
    assert refused.value.code == "context_length_exceeded"


async def test_too_many_at_once_is_a_rate_limit_error(
    client: AsyncOpenAI, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "MOST_AT_ONCE_OF_A_USER", 0)
    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=SCRIPTED, messages=HI)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_busy_model_and_a_server_on_its_way_out_are_503(
    client: AsyncOpenAI, model: LanguageModel, stream: bool
) -> None:
    model.script = [ModelBusy("scripted")]
    with pytest.raises(openai.APIStatusError) as refused:
        await client.chat.completions.create(model=SCRIPTED, messages=HI, stream=stream)
    assert (refused.value.status_code, refused.value.type) == (503, "server_error")
    lifecycle.start_draining()
    try:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(model=SCRIPTED, messages=HI, stream=stream)
    finally:
        lifecycle.open_for_work()
    assert (refused.value.status_code, refused.value.code) == (503, "draining")


async def test_a_stream_that_fails_later_raises_behind_what_came_before(
    client: AsyncOpenAI, model: LanguageModel
) -> None:
    model.script = ["So far", AnswerCutOff("scripted")]
    stream = await client.chat.completions.create(model=SCRIPTED, messages=HI, stream=True)
    assert "".join([(await anext(stream)).choices[0].delta.content or "" for _ in range(2)]) == "So far"
    with pytest.raises(openai.APIError, match="stopped in the middle"):
        await anext(stream)


async def test_the_client_tries_again_after_a_refusal_that_says_when(
    ann: Person, secret: str, model: LanguageModel
) -> None:
    scripts: list[Any] = [[ModelBusy("scripted", retry_after_s=0.01)], ["Yes", Finished(FinishReason.STOP, Usage())]]
    model.provider._script = lambda _: scripts.pop(0)
    async with AsyncOpenAI(base_url=f"{ann.server}/v1", api_key=secret, max_retries=1) as patient:
        answer = await patient.chat.completions.create(model=SCRIPTED, messages=HI)
    assert answer.choices[0].message.content == "Yes"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
