"""The OpenAI-compatible interface over real HTTP: who is let in, what is answered, and what is ended for whom."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo.errors import AutoReconnect

from accounts import store
from chat import completions, openai_api, work
from chat.completions import Completion
from eloquent.foundation import lifecycle
from eloquent.foundation.database import database
from eloquent.lifespan import Lifespan
from inference.admission import queues
from inference.admission.limits import Limit
from inference.catalog import offering
from inference.errors import AnswerCutOff, ModelBusy, PromptTooLong
from inference.offers import OfferedModel
from inference.providers.ollama import Ollama
from inference.providers.scripted import Scripted, saying
from inference.types import Finished, FinishReason, ReasoningDelta, Status, Usage
from tests.chat.conftest import LanguageModel
from tests.chat.programs import ASK, lines_of, new_key, program, refusal
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.people import Person

CHAT = "/chat/completions"


@pytest_asyncio.fixture
async def editor(ann: Person) -> AsyncIterator[httpx.AsyncClient]:
    """A program of Ann's."""
    async with program(ann) as client:
        yield client


# Who is let in


async def test_a_request_without_a_key_is_refused(ann: Person, model: LanguageModel) -> None:
    key = await new_key(ann)
    secret = key["secret"]
    headers = {"good": f"Bearer {secret}", "any case": f"bearer  {secret}"}
    wrong = {
        "another key": f"Bearer {secret[:-1]}{'0' if secret[-1] != '0' else '1'}",
        "its beginning": f"Bearer {key['prefix']}",
        "upper case": f"Bearer {secret.upper()}",
        "its id": f"Bearer {key['id']}",
        "an access token": ann.http.headers["Authorization"],
        "basic": f"Basic {secret}",
        "bare": secret,
        "two": f"Bearer {secret} {secret}",
        "long": "Bearer " + "a" * 20_000,
        "empty": "Bearer",
    }
    async with httpx.AsyncClient(base_url=f"{ann.server}/v1", timeout=30) as client:
        for name, value in headers.items():
            assert (await client.get("/models", headers={"Authorization": value})).status_code == 200, name
        for name, value in wrong.items():
            answer = await client.get("/models", headers={"Authorization": value})
            assert refusal(answer) == (401, "invalid_api_key"), name
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert value[7:] not in answer.text or not value[7:]
        for address in (f"/models?api_key={secret}", f"/models?key={secret}"):
            assert refusal(await client.get(address)) == (401, "invalid_api_key")
        assert refusal(await client.post(CHAT, json=ASK)) == (401, "invalid_api_key")
        assert refusal(await client.get("/models", headers={"api-key": secret})) == (401, "invalid_api_key")
    assert model.provider.requests == []


async def test_a_key_may_do_what_its_scopes_name_and_nothing_else(ann: Person, model: LanguageModel) -> None:
    async with program(ann, "chat") as writer, program(ann, "models") as reader:
        assert (await writer.post(CHAT, json=ASK)).status_code == 200
        assert refusal(await writer.get("/models")) == (403, "missing_scope")
        assert refusal(await writer.get("/models/scripted/scripted")) == (403, "missing_scope")
        assert (await reader.get("/models")).status_code == 200
        assert refusal(await reader.post(CHAT, json=ASK)) == (403, "missing_scope")
    assert len(model.provider.requests) == 1


# Models


async def test_models_are_listed_and_read_by_id(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    listed = (await editor.get("/models")).json()
    assert listed["object"] == "list"
    [scripted] = [each for each in listed["data"] if each["id"] == "scripted/scripted"]
    assert scripted == {
        "id": "scripted/scripted",
        "object": "model",
        "created": 0,
        "owned_by": "scripted",
        "context_window": 8192,
    }
    assert (await editor.get("/models/scripted/scripted")).json() == scripted
    assert (await editor.get("/models/scripted%2Fscripted")).json() == scripted
    for unknown in ("/models/nothing", "/models/scripted/", "/models/a/b/c", "/models/%00", "/models/%ED%A0%80"):
        assert refusal(await editor.get(unknown)) == (404, "model_not_found"), unknown


# Answers


async def test_an_answer_comes_whole(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    answer = await editor.post(CHAT, json={**ASK, "max_tokens": 5, "stop": ["x"], "temperature": 0.5, "seed": 7})
    assert answer.status_code == 200
    body = answer.json()
    assert body["id"].startswith("chatcmpl-")
    assert body["object"] == "chat.completion"
    assert body["model"] == "scripted/scripted"
    assert body["choices"][0]["message"]["content"] == "Hello there!"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
    [asked] = model.provider.requests
    assert [(message.role, message.content) for message in asked.messages] == [("user", "Hi")]
    options = asked.options
    assert (options.max_output_tokens, options.stop, options.temperature, options.seed) == (5, ("x",), 0.5, 7)


async def test_nothing_of_it_is_stored(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    assert (await editor.post(CHAT, json=ASK)).status_code == 200
    for name in ("conversations", "messages", "runs"):
        assert await database()[name].count_documents({}) == 0


async def test_an_answer_comes_as_it_is_written(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    thinking, gate = asyncio.Event(), asyncio.Event()
    usage = Usage(3, 4, reported=True)
    model.script = [ReasoningDelta("Hm."), thinking, "Hel", gate, "lo", Finished(FinishReason.LENGTH, usage)]
    asked = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    async with editor.stream("POST", CHAT, json=asked) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        events = lines_of(answer)
        first = await anext(events)
        assert first["object"] == "chat.completion.chunk"
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
        assert (await anext(events))["choices"][0]["delta"] == {"reasoning_content": "Hm."}
        thinking.set()
        assert (await anext(events))["choices"][0]["delta"] == {"content": "Hel"}
        gate.set()
        assert (await anext(events))["choices"][0]["delta"] == {"content": "lo"}
        last, counted, done = [event async for event in events]
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "length")
    assert last["usage"] is None
    assert counted["choices"] == []
    assert counted["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert {event["id"] for event in (first, last, counted)} == {first["id"]}
    assert done == "[DONE]"


async def test_many_tokens_travel_together_and_none_is_lost(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    words = [f"{number} " for number in range(5000)]
    model.script = saying(*words)
    async with editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
        events = [event async for event in lines_of(answer) if event != "[DONE]"]
    deltas = [event["choices"][0]["delta"].get("content", "") for event in events]
    assert "".join(deltas) == "".join(words)
    assert len(events) < 500


async def test_a_silent_model_is_waited_for_with_signs_of_life(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_api, "HEARTBEAT_S", 0.02)
    gate = asyncio.Event()
    model.script = [Status("loading", 1.0), gate, *saying("At last")]
    async with editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
        assert answer.status_code == 200
        events = lines_of(answer)
        assert (await anext(events))["choices"][0]["delta"]["role"] == "assistant"
        assert await anext(events) == ": keep-alive"
        gate.set()
        rest = [event async for event in events if not (isinstance(event, str) and event.startswith(":"))]
    assert rest[0]["choices"][0]["delta"] == {"content": "At last"}
    assert rest[-1] == "[DONE]"


async def test_a_stream_of_a_silent_model_opens_at_once(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    model.script = [gate, *saying("At last")]

    async def not_begun(_completion: Completion, _within_s: float) -> None:
        """As when the model has been silent for all of that time."""

    monkeypatch.setattr(Completion, "until_begun", not_begun)
    async with asyncio.timeout(openai_api.HEARTBEAT_S - 1):
        async with editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
            assert (await anext(lines_of(answer)))["choices"][0]["delta"]["role"] == "assistant"


# What goes wrong


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelBusy("scripted", retry_after_s=7), 503, "model_busy"),
        (PromptTooLong("scripted"), 400, "context_length_exceeded"),
        (RuntimeError("secret words"), 502, "model_failed"),
    ],
)
async def test_a_failure_before_the_first_word_is_a_status(
    editor: httpx.AsyncClient, model: LanguageModel, stream: bool, error: Exception, status: int, code: str
) -> None:
    model.script = [error]
    answer = await editor.post(CHAT, json={**ASK, "stream": stream})
    assert refusal(answer) == (status, code)
    assert "secret" not in answer.text
    assert answer.headers.get("Retry-After") == ("7" if code == "model_busy" else None)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_queue_in_front_of_the_model_is_a_status_too(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(queues, "limit_of", {"scripted": Limit(1, 0)}.get)
    gate = asyncio.Event()
    model.script = [gate, *saying("Yes")]
    first = asyncio.create_task(editor.post(CHAT, json=ASK))
    await model.provider.until(begun=1)
    refused = await editor.post(CHAT, json={**ASK, "stream": stream})
    assert (refusal(refused), refused.headers["Retry-After"]) == ((503, "model_busy"), "5")
    gate.set()
    assert (await first).status_code == 200
    await queues.close_queues()


async def test_a_failure_later_is_the_streams_last_event(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    model.script = ["So far", AnswerCutOff("scripted")]
    async with editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
        events = [event async for event in lines_of(answer)]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1]) == "So far"
    assert events[-1]["error"]["code"] == "answer_cut_off"
    assert refusal(await editor.post(CHAT, json=ASK)) == (502, "answer_cut_off")


async def test_every_refusal_has_openais_shape(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    json_ = {"Content-Type": "application/json"}
    refusals = {
        "malformed": (await editor.post(CHAT, content=b"{", headers=json_), (400, "invalid_json")),
        "empty": (await editor.post(CHAT, content=b"", headers=json_), (400, "invalid_json")),
        "deep": (
            await editor.post(CHAT, content=b'{"x":' + b"[" * 200_000, headers=json_),
            (400, "invalid_json"),
        ),
        "surrogate": (
            await editor.post(CHAT, content=json.dumps({**ASK, "model": "\ud800"}), headers=json_),
            (400, "invalid_json"),
        ),
        "array": (await editor.post(CHAT, json=[]), (400, "invalid_value")),
        "tools": (await editor.post(CHAT, json={**ASK, "tools": [{}]}), (400, "missing_required_parameter")),
        "huge number": (await editor.post(CHAT, json={**ASK, "max_tokens": 2**63}), (400, "invalid_value")),
        "large": (
            await editor.post(CHAT, json={**ASK, "messages": [{"role": "user", "content": "x" * 1_100_000}]}),
            (413, "too_large"),
        ),
        "unknown model": (await editor.post(CHAT, json={**ASK, "model": "gpt-9"}), (404, "model_not_found")),
        "model's name with NUL": (await editor.post(CHAT, json={**ASK, "model": "\0"}), (404, "model_not_found")),
        "nowhere": (await editor.get("/nowhere"), (404, "not_found")),
        "embeddings": (await editor.post("/embeddings", json={}), (400, "missing_required_parameter")),
        "method of embeddings": (await editor.get("/embeddings"), (405, "method_not_allowed")),
        "root": (await editor.get(""), (404, "not_found")),
        "method": (await editor.get(CHAT), (405, "method_not_allowed")),
        "method of models": (await editor.delete("/models"), (405, "method_not_allowed")),
        "query": (await editor.get("/models?x=%ff"), None),
    }
    for name, (answer, expected) in refusals.items():
        if expected is None:
            assert answer.status_code == 200, name
        else:
            assert refusal(answer) == expected, name
    assert refusals["method"][0].headers["Allow"] == "POST"
    assert model.provider.requests == []
    assert (await editor.post(CHAT, json=ASK)).status_code == 200


async def test_a_bug_is_a_500_in_openais_shape(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(openai_api, "begin_completion", broken)
    answer = await editor.post(CHAT, json=ASK)
    assert refusal(answer) == (500, "error")
    assert "secret" not in answer.text


async def test_a_database_that_is_away_is_a_503_in_openais_shape(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise AutoReconnect("secret words")

    monkeypatch.setattr(store, "api_key_in_force", away)
    answer = await editor.post(CHAT, json=ASK)
    assert refusal(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert "secret" not in answer.text


async def test_a_long_prompt_is_read(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    messages = [{"role": "user", "content": "x" * 1_000_000}]
    assert (await editor.post(CHAT, json={**ASK, "messages": messages})).status_code == 200
    assert len(model.provider.requests[0].messages[0].content) == 1_000_000


async def test_thousands_of_messages_are_read(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    messages = [{"role": "user", "content": str(number)} for number in range(4000)]
    assert (await editor.post(CHAT, json={**ASK, "messages": messages})).status_code == 200
    assert len(model.provider.requests[0].messages) == 4000


async def test_a_server_that_may_cut_the_prompt_in_silence_is_not_asked(editor: httpx.AsyncClient) -> None:
    careless = Scripted(saying("Yes"), refuses_overflow=False)
    careful = Scripted(saying("Yes"))
    small = OfferedModel("x/small", "small", "x", default=False, context_window=64)
    asked = {"model": "x/small", "messages": [{"role": "user", "content": "word " * 100}]}
    with offering(small, careless):
        assert refusal(await editor.post(CHAT, json=asked)) == (400, "context_length_exceeded")
        short = {**asked, "messages": [{"role": "user", "content": "word"}]}
        assert (await editor.post(CHAT, json=short)).status_code == 200
    with offering(small, careful):
        assert (await editor.post(CHAT, json=asked)).status_code == 200
    assert len(careless.requests) == 1
    assert len(careful.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_to_half_of_the_prompt_is_a_failure(editor: httpx.AsyncClient, stream: bool) -> None:
    large = OfferedModel("x/large", "large", "x", default=False, context_window=100_000)
    asked = {"model": "x/large", "messages": [{"role": "user", "content": "word " * 5000}], "stream": stream}
    usage = {"read": Usage(5000, 1, reported=True), "cut": Usage(2000, 1, reported=True), "untold": Usage()}
    for name, told in usage.items():
        with offering(large, Scripted(saying("Yes", usage=told), refuses_overflow=False)):
            answer = await editor.post(CHAT, json=asked)
        assert answer.status_code == (400 if name == "cut" and not stream else 200), name
        assert ("context_length_exceeded" in answer.text) is (name == "cut")
        assert ("[DONE]" in answer.text) is (stream and name != "cut")


# Clients that leave, and many at once


@asynccontextmanager
async def stalling_after(tokens: int) -> AsyncIterator[FakeOllama]:
    """An Ollama whose model `fake/fake` says nothing after so many tokens."""
    model = FakeModel(tokens=["a", "b", "c"], gates={tokens: asyncio.Event()})
    offered = OfferedModel("fake/fake", "fake", "fake", default=False, context_window=8192)
    async with FakeOllama(fake=model) as ollama:
        with offering(offered, Ollama(ollama.url)):
            yield ollama


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tokens", [0, 2])
async def test_a_client_that_leaves_ends_the_models_work(editor: httpx.AsyncClient, stream: bool, tokens: int) -> None:
    async with stalling_after(tokens) as ollama, asyncio.timeout(10):
        asking = asyncio.create_task(editor.post(CHAT, json={**ASK, "model": "fake/fake", "stream": stream}))
        await ollama.until(asked=1)
        asking.cancel()
        await ollama.until(closed=1)
        assert ollama.completed == 0
    assert not completions._at_work


async def test_a_client_that_leaves_within_a_stream_ends_the_models_work(editor: httpx.AsyncClient) -> None:
    async with stalling_after(2) as ollama, asyncio.timeout(10):
        async with editor.stream("POST", CHAT, json={**ASK, "model": "fake/fake", "stream": True}) as answer:
            events = lines_of(answer)
            assert [(await anext(events))["choices"][0]["delta"].get("content") for _ in range(2)] == ["", "ab"]
        await ollama.until(closed=1)
        assert ollama.completed == 0
    assert not completions._at_work


async def test_a_user_has_a_bounded_number_at_once_and_others_have_their_own(
    editor: httpx.AsyncClient, bob: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "MOST_AT_ONCE_OF_A_USER", 3)
    gate = asyncio.Event()
    model.script = [gate, *saying("Yes")]
    asking = [asyncio.create_task(editor.post(CHAT, json=ASK)) for _ in range(3)]
    await model.provider.until(3)
    refused = await editor.post(CHAT, json={**ASK, "stream": True})
    assert refusal(refused) == (429, "rate_limit_exceeded")
    assert refused.headers["Retry-After"] == "1"
    async with program(bob) as other:
        theirs = asyncio.create_task(other.post(CHAT, json=ASK))
        await model.provider.until(4)
        gate.set()
        assert {(await one).status_code for one in (*asking, theirs)} == {200}
    assert (await editor.post(CHAT, json=ASK)).status_code == 200


async def test_an_answer_that_is_whole_leaves_room_for_the_next(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "MOST_AT_ONCE_OF_A_USER", 1)
    tidying = asyncio.Event()
    # As a provider does that reads its connection to the end before it lets go of it.
    model.script = [*saying("Yes"), tidying]
    for _ in range(3):
        assert (await editor.post(CHAT, json=ASK)).status_code == 200
    assert len(completions._at_work) == 3
    tidying.set()
    await model.provider.until_idle()


async def test_many_at_once_come_whole_while_others_leave(ann: Person, bob: Person) -> None:
    words = [f"w{number} " for number in range(200)]
    whole, endless = FakeModel(tokens=words), FakeModel(tokens=["a", "b"], gates={1: asyncio.Event()})
    models = [OfferedModel(f"x/{name}", name, "x", default=False, context_window=8192) for name in ("whole", "endless")]

    async def stay(client: httpx.AsyncClient) -> str:
        async with client.stream("POST", CHAT, json={**ASK, "model": "x/whole", "stream": True}) as answer:
            events = [event async for event in lines_of(answer)]
        assert events[-1] == "[DONE]"
        return "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1])

    async def leave(client: httpx.AsyncClient) -> None:
        async with client.stream("POST", CHAT, json={**ASK, "model": "x/endless", "stream": True}) as answer:
            await anext(lines_of(answer))

    async with FakeOllama(whole=whole, endless=endless) as ollama, program(ann) as hers, program(bob) as his:
        with offering(models[0], Ollama(ollama.url)), offering(models[1], Ollama(ollama.url)):
            clients = [hers, his] * 8
            readers = [reads(client) for client in clients for reads in (stay, leave)]
            answers = await asyncio.gather(*readers)
            async with asyncio.timeout(10):
                await ollama.until(completed=len(clients), closed=len(clients))
    assert answers[::2] == ["".join(words)] * len(clients)
    assert [each for each in completions._at_work if each.finished is None] == []


# The process on its way out


async def test_a_draining_process_refuses_new_ones(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    lifecycle.start_draining()
    try:
        answer = await editor.post(CHAT, json=ASK)
        assert (await editor.get("/models")).status_code == 200
    finally:
        lifecycle.open_for_work()
    assert refusal(answer) == (503, "draining")
    assert answer.headers["Retry-After"] == "5"
    assert model.provider.requests == []


async def test_a_drain_waits_for_those_at_work(editor: httpx.AsyncClient, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = [gate, *saying("Yes")]
    asking = asyncio.create_task(editor.post(CHAT, json=ASK))
    await model.provider.until(1)
    draining = asyncio.create_task(completions.drain(20))
    await asyncio.sleep(0)
    assert not draining.done()
    gate.set()
    await draining
    assert (await asking).json()["choices"][0]["message"]["content"] == "Yes"


async def test_the_process_waits_for_them_before_it_goes(
    editor: httpx.AsyncClient, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drained(_within_s: float) -> None:
        """No run is at work; the reaper of the server that the other tests share is left alone."""

    monkeypatch.setattr(work, "drain", drained)
    monkeypatch.setattr("eloquent.lifespan.LAST_CHUNKS_S", 0)
    gate = asyncio.Event()
    model.script = [gate, *saying("Yes")]
    asking = asyncio.create_task(editor.post(CHAT, json=ASK))
    await model.provider.until(1)
    leaving = asyncio.create_task(Lifespan(end_streams=lambda: 0)._drain(20))
    done, _ = await asyncio.wait([leaving], timeout=0.05)
    assert not done
    gate.set()
    await leaving
    assert (await asking).status_code == 200


async def test_a_drain_ends_those_that_take_too_long_and_tells_their_readers(
    editor: httpx.AsyncClient, model: LanguageModel
) -> None:
    model.script = ["So far", asyncio.Event()]
    whole = asyncio.create_task(editor.post(CHAT, json=ASK))
    async with editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer:
        events = lines_of(answer)
        await anext(events)
        assert (await anext(events))["choices"][0]["delta"] == {"content": "So far"}
        await model.provider.until(2)
        await completions.drain(0)
        await model.provider.until_idle()
        assert (await anext(events))["error"]["code"] == "interrupted"
        assert [event async for event in events] == []
    assert refusal(await whole) == (503, "interrupted")
    assert not completions._at_work
