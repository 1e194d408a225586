"""What is llama.cpp's own: a server that refuses while it loads, windows per slot, names that are paths."""

import asyncio

import msgspec
import pytest

from inference.errors import ModelFailed
from inference.providers import llamacpp, server
from inference.providers.base import ProviderModel
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.openai_compatible import OpenAICompatible
from inference.types import Finished, GenerationOptions, Status
from tests.inference.replay import Recorded, ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, collected, text_of

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(server, "QUIET_S", 0.01)
    monkeypatch.setattr(server, "STATUS_EVERY_S", 0.01)


async def test_a_server_that_loads_is_waited_for_with_a_status(replay: ReplayServer) -> None:
    ready = asyncio.Event()
    loading = recorded("llamacpp_loading")
    replay.replies[CHAT] = [loading.reply(), recorded("llamacpp_answer").reply()]
    replay.replies["/health"] = [loading.reply(), loading.reply(gates={0: ready}), recorded("llamacpp_healthy").reply()]
    events = LlamaCppServer(replay.url).answer(ASKED)
    assert isinstance(await anext(events), Status)
    ready.set()
    rest, error = await collected(events)
    assert (error, text_of(rest), isinstance(rest[-1], Finished)) == (None, "I'm glad you're", True)
    assert [request.path for request in replay.requests] == [CHAT, "/health", "/health", "/health", CHAT]


async def test_a_server_that_fails_to_load_is_not_waited_for(replay: ReplayServer) -> None:
    replay.replies[CHAT] = recorded("llamacpp_loading").reply()
    replay.replies["/health"] = recorded("ollama_bad_option").reply()  # any 500
    events, error = await collected(LlamaCppServer(replay.url).answer(ASKED))
    assert not text_of(events)
    assert error is not None
    assert not isinstance(error, asyncio.CancelledError)


async def test_the_window_is_that_of_a_slot_and_a_path_is_not_shown(replay: ReplayServer) -> None:
    replay.replies["/v1/models"] = recorded("llamacpp_models").reply()
    replay.replies["/props"] = recorded("llamacpp_props").reply()
    assert await LlamaCppServer(replay.url).models() == [ProviderModel("SmolLM2-135M-Instruct.Q4_1", 1024, loaded=True)]


async def test_a_server_with_a_projector_says_that_it_can_see(replay: ReplayServer) -> None:
    replay.replies["/v1/models"] = recorded("llamacpp_models").reply()
    told = '{"default_generation_settings":{"n_ctx":1024},"modalities":{"vision":true,"audio":false}}'
    replay.replies["/props"] = Recorded(200, "application/json", (told,), is_whole=True).reply()
    assert [model.capabilities for model in await LlamaCppServer(replay.url).models()] == [("vision",)]


async def test_an_openai_compatible_server_may_tell_its_windows_or_not(replay: ReplayServer) -> None:
    replay.replies["/v1/models"] = recorded("openai_models").reply()
    openai = OpenAICompatible(f"{replay.url}/v1", api_key="sk-test")
    assert [model.context_window for model in await openai.models()] == [None] * 4
    assert replay.requests[0].headers["authorization"] == "Bearer sk-test"
    telling = (
        '{"data":[{"id":"a","max_model_len":777},{"id":"b","context_length":888},{"id":"c","context_window":999}]}'
    )
    replay.replies["/v1/models"] = Recorded(200, "application/json", (telling,), is_whole=True).reply()
    assert [model.context_window for model in await openai.models()] == [777, 888, 999]


async def test_a_listing_that_is_cut_is_not_a_shorter_listing(replay: ReplayServer) -> None:
    cut = Recorded(200, "application/json", ('{"data":[{"id":"a"},',), is_whole=True)
    replay.replies["/v1/models"] = cut.reply()
    with pytest.raises(ModelFailed):
        await OpenAICompatible(f"{replay.url}/v1").models()


async def test_something_that_does_not_speak_http_is_a_failure(replay: ReplayServer) -> None:
    replay.replies[CHAT] = Reply(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", closes=True)
    _, error = await collected(LlamaCppServer(replay.url).answer(ASKED))
    assert type(error) is ModelFailed


async def test_a_server_without_models_lists_none(replay: ReplayServer) -> None:
    none = Recorded(200, "application/json", ('{"object":"list","data":null}',), is_whole=True)
    replay.replies["/v1/models"] = none.reply()
    assert await OpenAICompatible(f"{replay.url}/v1").models() == []


async def test_a_model_is_told_not_to_think_where_the_server_knows_how(replay: ReplayServer) -> None:
    unthinking = msgspec.structs.replace(ASKED, options=GenerationOptions(thinking=False))
    for request in (ASKED, unthinking):
        for provider in (LlamaCppServer(replay.url), OpenAICompatible(f"{replay.url}/v1")):
            replay.replies[CHAT] = recorded("llamacpp_answer").reply()
            await collected(provider.answer(request))
    sent = [request.json() for request in replay.requests]
    # A stranger's server refuses fields that it does not know.
    assert [body.get("chat_template_kwargs") for body in sent] == [None, None, {"enable_thinking": False}, None]
