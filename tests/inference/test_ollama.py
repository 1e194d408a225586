"""What is Ollama's own: cold models, windows, and a request that cannot run away."""

import asyncio

import pytest

from inference.errors import AnswerCutOff, ModelFailed
from inference.providers import server
from inference.providers.base import ProviderModel
from inference.providers.ollama import Ollama
from inference.types import Finished, GenerationOptions, PromptMessage, PromptRequest, Status, TextDelta
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.inference.replay import ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, collected, text_of


def asking(model: str = "fake") -> PromptRequest:
    return PromptRequest(model, (PromptMessage("user", "Hi"),))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "QUIET_S", 0.01)
    monkeypatch.setattr(server, "STATUS_EVERY_S", 0.01)


@pytest.mark.usefixtures("_impatient")
async def test_a_cold_model_says_that_it_loads_until_its_first_token() -> None:
    loads = asyncio.Event()
    async with FakeOllama(fake=FakeModel(loaded=False, gates={0: loads})) as ollama:
        statuses: list[Status] = []
        events = Ollama(ollama.url).answer(asking())
        async for event in events:
            if not isinstance(event, Status):
                break
            statuses.append(event)
            if len(statuses) == 3:
                loads.set()
        rest, error = await collected(events)
    assert isinstance(event, TextDelta)
    assert (isinstance(rest[-1], Finished), error) == (True, None)
    assert {status.state for status in statuses} == {"loading"}
    assert [status.elapsed_s for status in statuses] == sorted(status.elapsed_s for status in statuses)


@pytest.mark.usefixtures("_impatient")
async def test_a_loaded_model_that_takes_its_time_is_not_said_to_load(replay: ReplayServer) -> None:
    says_first = asyncio.Event()
    replay.replies["/api/chat"] = recorded("ollama_answer").reply(gates={0: says_first})
    replay.replies["/api/ps"] = recorded("ollama_ps_loaded").reply()
    asked = PromptRequest("SmolLM2:135M", ASKED.messages)
    answer = asyncio.ensure_future(collected(Ollama(replay.url).answer(asked)))
    # Three questions have been answered by then: "it is resident".
    await replay.until(requests=4)
    says_first.set()
    events, error = await answer
    assert error is None
    assert not any(isinstance(event, Status) for event in events)


@pytest.mark.usefixtures("_impatient")
async def test_a_question_about_loading_that_fails_does_not_end_the_answer(replay: ReplayServer) -> None:
    says_first = asyncio.Event()
    replay.replies["/api/chat"] = recorded("ollama_answer").reply(gates={0: says_first})
    replay.replies["/api/ps"] = recorded("ollama_foreign_host").reply()
    answer = asyncio.ensure_future(collected(Ollama(replay.url).answer(ASKED)))
    await replay.until(requests=3)
    says_first.set()
    events, error = await answer
    assert (error, text_of(events)) == (None, "To find the maximum number")


async def test_a_warm_model_is_not_asked_whether_it_loads(replay: ReplayServer) -> None:
    replay.replies["/api/chat"] = recorded("ollama_answer").reply()
    await collected(Ollama(replay.url).answer(ASKED))
    assert [request.path for request in replay.requests] == ["/api/chat"]


async def test_closing_while_a_model_loads_cancels_the_load() -> None:
    async with FakeOllama(fake=FakeModel(loaded=False, gates={0: asyncio.Event()})) as ollama:
        events = Ollama(ollama.url).answer(asking())
        async for event in events:
            assert isinstance(event, Status)
            break
        await events.aclose()
        await ollama.until(closed=1)
    assert ollama.answering == 0


async def test_the_request_fixes_the_window_and_forbids_silent_cuts() -> None:
    async with FakeOllama() as ollama:
        options = GenerationOptions(temperature=0, top_p=0.5, max_output_tokens=3, seed=7, stop=("END",))
        request = PromptRequest("fake", (PromptMessage("system", "Be kind."),), options, context_window=2048)
        events, _ = await collected(Ollama(ollama.url).answer(request))
        await collected(Ollama(ollama.url).answer(asking()))
    assert text_of(events) == "Hello from a"
    sent = ollama.requests[0]
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}]
    assert (sent["stream"], sent["truncate"], sent["shift"]) == (True, False, False)
    assert sent["options"] == {
        "num_ctx": 2048,
        "num_predict": 3,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["END"],
    }
    assert ollama.requests[1]["options"] == {"num_ctx": 8192, "num_predict": 2048}


async def test_a_model_is_told_not_to_think_only_when_asked_so() -> None:
    async with FakeOllama() as ollama:
        for thinking in (False, None, True):
            request = PromptRequest("fake", (PromptMessage("user", "Hi."),), GenerationOptions(thinking=thinking))
            await collected(Ollama(ollama.url).answer(request))
    assert [sent.get("think") for sent in ollama.requests] == [False, None, None]


@pytest.mark.parametrize(
    ("manners", "expected"),
    [
        (FakeModel(dies_after=3), AnswerCutOff),
        (FakeModel(silent_after=3), AnswerCutOff),
        (FakeModel(fails_after=3), ModelFailed),
    ],
)
async def test_however_a_model_dies_the_text_so_far_is_kept(manners: FakeModel, expected: type[Exception]) -> None:
    async with FakeOllama(fake=manners) as ollama:
        events, error = await collected(Ollama(ollama.url).answer(asking()))
    assert (text_of(events), type(error)) == ("Hello from a", expected)


async def test_a_server_killed_while_it_answers_cuts_the_answer_off() -> None:
    async with FakeOllama(fake=FakeModel(gates={2: asyncio.Event()})) as ollama:
        events = Ollama(ollama.url).answer(asking())
        first = await anext(events)
        await ollama.die()
        rest, error = await collected(events)
    assert text_of([first, *rest]) == "Hello from"
    assert type(error) is AnswerCutOff


async def test_models_come_with_their_windows_capped_and_without_those_that_cannot_chat() -> None:
    models = {
        "small": FakeModel(context_length=4096),
        "large": FakeModel(context_length=131072, capabilities=("completion", "tools"), loaded=False),
        "embedder": FakeModel(capabilities=("embedding",)),
    }
    async with FakeOllama(**models) as ollama:
        listed = await Ollama(ollama.url).models()
    assert listed == [
        ProviderModel("small:latest", 4096, ("completion",), loaded=True),
        ProviderModel("large:latest", 8192, ("completion", "tools"), loaded=False),
    ]


async def test_a_server_that_lists_no_windows_is_asked_for_each_once(replay: ReplayServer) -> None:
    tags = recorded("ollama_tags").wire().replace(b'"context_length":8192,', b'"context_lengthy":819,')
    replay.replies["/api/tags"] = Reply(tags)
    replay.replies["/api/show"] = recorded("ollama_show").reply()
    ollama = Ollama(replay.url)
    for _ in range(2):
        assert {model.context_window for model in await ollama.models()} == {8192}
    asked = [request.json() for request in replay.requests if request.path == "/api/show"]
    assert len(asked) == 3, "four models, two of which are the same weights"
