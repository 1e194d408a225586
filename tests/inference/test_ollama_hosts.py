"""Several Ollama servers: who is asked, who is passed over, and loads that others wait for."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from eloquent.foundation.config import get_config
from eloquent.foundation.http import close_http_client
from inference import retries, router
from inference.admission import limits, queues
from inference.breaker import FAILURES_TO_OPEN
from inference.catalog import offering
from inference.errors import AnswerCutOff, ModelAtRest, ModelBusy, ModelFailed, ModelUnreachable
from inference.offers import OfferedModel
from inference.providers import ollama_hosts, server
from inference.providers.base import ProviderModel
from inference.providers.ollama import Ollama
from inference.types import Finished, PromptMessage, PromptRequest, Status, TextDelta
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.inference.rigs import collected, text_of

GONE = "http://127.0.0.1:1"


def asking(model: str = "fake:latest") -> PromptRequest:
    return PromptRequest(model, (PromptMessage("user", "Hi"),))


@pytest_asyncio.fixture(autouse=True)
async def _client_closed() -> AsyncIterator[None]:
    yield
    await close_http_client()


async def test_answers_are_spread_over_the_servers_by_what_they_have_to_do() -> None:
    held = asyncio.Event()
    async with FakeOllama(fake=FakeModel(gates={1: held})) as one, FakeOllama(fake=FakeModel(gates={1: held})) as two:
        both = Ollama(one.url, two.url)
        running = [asyncio.ensure_future(collected(both.answer(asking()))) for _ in range(6)]
        await one.until(asked=3)
        await two.until(asked=3)
        held.set()
        for events, error in await asyncio.gather(*running):
            assert (text_of(events), error) == ("Hello from a fake model.", None)
        assert (len(one.requests), len(two.requests)) == (3, 3)


async def test_a_server_that_is_busy_is_asked_after_the_others() -> None:
    held = asyncio.Event()
    async with FakeOllama(fake=FakeModel(gates={1: held})) as one:
        both = Ollama(one.url)
        running = asyncio.ensure_future(collected(both.answer(asking())))
        await one.until(asked=1)
        async with FakeOllama() as two:
            both._hosts.all.append(ollama_hosts.Host(two.url, "ollama@two", both._answer_of))
            for _ in range(4):
                await collected(both.answer(asking()))
            assert (len(one.requests), len(two.requests)) == (1, 4)
        held.set()
        await running


async def test_a_server_is_asked_only_for_what_it_has() -> None:
    async with FakeOllama(fake=FakeModel()) as one, FakeOllama(other=FakeModel(tokens=("The", " other."))) as two:
        both = Ollama(one.url, two.url)
        assert [model.name for model in await both.models()] == ["fake:latest", "other:latest"]
        for _ in range(4):
            events, _ = await collected(both.answer(asking("other:latest")))
            assert text_of(events) == "The other."
        assert (len(one.requests), len(two.requests)) == (0, 4)


async def test_a_window_is_the_smallest_of_all_servers_that_have_the_model() -> None:
    async with (
        FakeOllama(fake=FakeModel(context_length=8192)) as one,
        FakeOllama(fake=FakeModel(context_length=2048)) as two,
    ):
        assert await Ollama(one.url, two.url).models() == [
            ProviderModel("fake:latest", 2048, ("completion",), loaded=True)
        ]


async def test_a_server_that_is_gone_hides_nothing_of_the_others_and_is_passed_over() -> None:
    async with FakeOllama() as one:
        both = Ollama(GONE, one.url)
        assert [model.name for model in await both.models()] == ["fake:latest"]
        for _ in range(4):
            events, error = await collected(both.answer(asking()))
            assert (text_of(events), error) == ("Hello from a fake model.", None)


async def test_when_all_are_gone_it_is_said_and_the_longest_rested_is_asked() -> None:
    both = Ollama(GONE, "http://127.0.0.1:2")
    with pytest.raises(ModelUnreachable):
        await both.models()
    for _ in range(3):
        _, error = await collected(both.answer(asking()))
        assert type(error) is ModelUnreachable


@pytest.mark.parametrize(
    ("manners", "kind"),
    [
        (FakeModel(refuses=(500, "llama-server process has terminated")), ModelFailed),
        (FakeModel(dies_after=2), AnswerCutOff),
    ],
)
async def test_a_server_that_failed_is_passed_over_until_it_has_rested(
    manners: FakeModel, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeOllama(fake=manners) as one, FakeOllama() as two:
        both = Ollama(one.url, two.url)
        errors = [error for _ in range(6) if (error := (await collected(both.answer(asking())))[1])]
        assert [type(error) for error in errors] == [kind]
        assert (len(one.requests), len(two.requests)) == (1, 5)
        monkeypatch.setattr(ollama_hosts, "UNWELL_S", 0.0)
        await asyncio.gather(*(collected(both.answer(asking())) for _ in range(2)))
        assert len(one.requests) == 2


async def test_a_refused_question_says_nothing_about_the_server() -> None:
    async with FakeOllama(fake=FakeModel(refuses=(400, "invalid"))) as one, FakeOllama() as two:
        both = Ollama(one.url, two.url)
        for _ in range(4):
            await collected(both.answer(asking()))
        assert (len(one.requests), len(two.requests)) == (2, 2)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "QUIET_S", 0.01)
    monkeypatch.setattr(server, "STATUS_EVERY_S", 0.01)


async def waiting(ollama: Ollama) -> "asyncio.Task[str]":
    """A reader who is told that the model loads; the task ends with the text."""
    loads = asyncio.Event()

    async def reading() -> str:
        texts = []
        async for event in ollama.answer(asking()):
            if isinstance(event, Status):
                loads.set()
            elif isinstance(event, TextDelta):
                texts.append(event.text)
            else:
                assert isinstance(event, Finished)
        return "".join(texts)

    reader = asyncio.ensure_future(reading())
    await loads.wait()
    return reader


async def left(reader: "asyncio.Task[str]") -> None:
    reader.cancel()
    await asyncio.wait({reader})


@pytest.mark.usefixtures("_impatient")
async def test_a_load_goes_on_when_its_first_reader_leaves_and_others_wait() -> None:
    loads, goes_on = asyncio.Event(), asyncio.Event()
    async with FakeOllama(fake=FakeModel(loaded=False, gates={0: loads, 2: goes_on})) as ollama:
        provider = Ollama(ollama.url)
        first, second = await waiting(provider), await waiting(provider)
        await left(first)
        assert (ollama.closed, ollama.answering) == (0, 2)
        loads.set()
        # What nobody reads is not written to its end.
        await ollama.until(closed=1)
        goes_on.set()
        assert await second == "Hello from a fake model."


@pytest.mark.usefixtures("_impatient")
async def test_a_load_that_nobody_waits_for_any_more_ends() -> None:
    async with FakeOllama(fake=FakeModel(loaded=False, gates={0: asyncio.Event()})) as ollama:
        provider = Ollama(ollama.url)
        readers = [await waiting(provider) for _ in range(3)]
        for number, reader in enumerate(readers):
            assert ollama.closed == 0, number
            await left(reader)
        await ollama.until(closed=3)


@pytest.mark.usefixtures("_impatient")
async def test_another_models_readers_do_not_keep_a_load() -> None:
    never = asyncio.Event()
    cold = FakeModel(loaded=False, gates={0: never})
    async with FakeOllama(fake=cold, other=FakeModel(loaded=False, gates={0: never})) as ollama:
        provider = Ollama(ollama.url)
        other = asyncio.ensure_future(collected(provider.answer(asking("other:latest"))))
        await ollama.until(asked=1)
        await left(await waiting(provider))
        await ollama.until(closed=1)
        assert ollama.answering == 1
        other.cancel()
        await asyncio.wait({other})


@pytest.mark.usefixtures("_impatient")
async def test_closing_the_provider_closes_what_is_kept_for_others() -> None:
    async with FakeOllama(fake=FakeModel(loaded=False, gates={0: asyncio.Event()})) as ollama:
        provider = Ollama(ollama.url)
        first, second = await waiting(provider), await waiting(provider)
        await left(first)
        await provider.aclose()
        await ollama.until(closed=1)
        await left(second)
        await ollama.until(closed=2)


def test_a_servers_name_has_no_password_and_each_address_counts_once() -> None:
    urls = ["http://ann:secret@one:11434", "https://two/ollama/", "http://[::1]:1", "https://two/ollama/"]
    names = [host.name for host in Ollama(*urls).hosts_for("any")]
    assert sorted(names) == ["ollama@::1:1", "ollama@one:11434", "ollama@two/ollama"]
    assert [host.name for host in Ollama("http://one:1", "http://one:1").hosts_for("any")] == ["ollama"]


@contextmanager
def offered(provider: Ollama) -> Iterator[OfferedModel]:
    """The model of both servers, offered."""
    model = OfferedModel("ollama/fake:latest", "fake:latest", "ollama", default=True, context_window=8192)
    with offering(model, provider):
        yield model


@pytest.mark.parametrize("by", ["memory", "redis"])
async def test_each_server_has_its_own_slots_and_who_waits_goes_where_one_is_free_first(
    monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    config = get_config().model_copy(update={"model_slots": ("ollama=1",), "model_queue": 5})
    monkeypatch.setattr(limits, "get_config", lambda: config)
    if by == "memory":
        monkeypatch.setattr(queues, "redis_client", lambda: None)
        monkeypatch.setattr(queues, "get_config", lambda: config.model_copy(update={"redis_url": None}))
    held = [asyncio.Event(), asyncio.Event()]
    fakes = [FakeOllama(fake=FakeModel(gates={1: gate})) for gate in held]
    async with fakes[0], fakes[1]:
        with offered(Ollama(*(fake.url for fake in fakes))) as model:
            asked = [asyncio.ensure_future(collected(router.answer(model, asking()))) for _ in range(4)]
            for fake in fakes:
                await fake.until(asked=1)
            names = [f"ollama@{fake.url.removeprefix('http://')}" for fake in fakes]
            at_doors = [queues.queue_of(name) for name in names]
            async with asyncio.timeout(20):
                while [door and (door.at_work, door.waiting) for door in at_doors] != [(1, 2), (1, 2)]:  # noqa: ASYNC110  (what Redis said is on its way here)
                    await asyncio.sleep(0.01)
            # Two wait, in both lines; the server that is done first answers both of them.
            held[1].set()
            await fakes[1].until(completed=3)
            assert [len(fake.requests) for fake in fakes] == [1, 3]
            held[0].set()
            for events, error in await asyncio.gather(*asked):
                assert (text_of(events), error) == ("Hello from a fake model.", None)
            assert [door and (door.at_work, door.waiting) for door in at_doors] == [(0, 0), (0, 0)]
    await queues.close_queues()


async def test_a_server_that_fails_again_and_again_is_left_alone_and_the_other_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(ollama_hosts, "UNWELL_S", 0.0)
    broken = FakeOllama(fake=FakeModel(refuses=(500, "out of memory")))
    async with broken, FakeOllama() as sound:
        with offered(Ollama(broken.url, sound.url)) as model:
            for _ in range(4 * FAILURES_TO_OPEN):
                events, error = await collected(router.answer(model, asking()))
                assert (text_of(events), error) == ("Hello from a fake model.", None)
            assert len(broken.requests) == FAILURES_TO_OPEN
            # The other one has no part in that: it is well, and it is what answers.
            assert len(sound.requests) == 4 * FAILURES_TO_OPEN
            router.forget_failures(model)
            for _ in range(2):
                await collected(router.answer(model, asking()))
            assert len(broken.requests) > FAILURES_TO_OPEN


async def test_when_all_servers_are_left_alone_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with offered(Ollama(GONE, "http://127.0.0.1:2")) as model:
        errors = [(await collected(router.answer(model, asking())))[1] for _ in range(FAILURES_TO_OPEN)]
        assert isinstance(errors[0], ModelUnreachable)
        assert isinstance(errors[-1], ModelAtRest)
        assert errors[-1].extra["retry_after_s"] > 0


def one_at_a_time(monkeypatch: pytest.MonkeyPatch, *, waiting: int = 100) -> None:
    """One slot for each server, in this process alone."""
    config = get_config().model_copy(update={"model_slots": ("ollama=1",), "model_queue": waiting, "redis_url": None})
    monkeypatch.setattr(limits, "get_config", lambda: config)
    monkeypatch.setattr(queues, "get_config", lambda: config)
    monkeypatch.setattr(queues, "redis_client", lambda: None)


async def test_those_who_wait_for_a_server_that_dies_are_answered_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time(monkeypatch)
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    held, dies = asyncio.Event(), asyncio.Event()
    sick, sound = FakeOllama(fake=FakeModel(gates={0: dies})), FakeOllama(fake=FakeModel(gates={1: held}))
    async with sick, sound:
        with offered(Ollama(sick.url, sound.url)) as model:
            asked = [asyncio.ensure_future(collected(router.answer(model, asking()))) for _ in range(9)]
            await sick.until(asked=1)
            await sound.until(asked=1)
            sick.models["fake:latest"].refuses = (500, "out of memory")
            sick.models["fake:latest"].dies_after = 0
            sick.models["fake:latest"].gates = {}
            dies.set()
            await asyncio.sleep(0.3)
            held.set()
            assert [error for _, error in await asyncio.gather(*asked) if error] == []
    await queues.close_queues()


async def test_while_a_server_is_probed_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(ollama_hosts, "UNWELL_S", 0.0)

    class SlowMeter(router.Meter):
        async def reserve(self) -> None:
            await asyncio.sleep(0.001)
            await super().reserve()

    broken = FakeOllama(fake=FakeModel(refuses=(500, "out of memory")))
    async with broken, FakeOllama() as sound:
        with offered(Ollama(broken.url, sound.url)) as model:
            while len(broken.requests) < FAILURES_TO_OPEN:
                await collected(router.answer(model, asking()))
            broken.models["fake:latest"].refuses = None
            for server in router.servers_of(model):
                breaker = router._breaker_of(server)
                if breaker._opens_until is not None:
                    breaker._opens_until = breaker._clock() - 1
            monkeypatch.setattr(router, "Meter", SlowMeter)
            answers = await asyncio.gather(*(collected(router.answer(model, asking())) for _ in range(6)))
            assert [error for _, error in answers if error] == []


async def test_asking_whether_there_is_room_takes_nobodys_turn() -> None:
    async with FakeOllama() as one, FakeOllama() as two:
        with offered(Ollama(one.url, two.url)) as model:
            for _ in range(6):
                await router.require_room(model)
                await collected(router.answer(model, asking()))
            assert (len(one.requests), len(two.requests)) == (3, 3)


async def test_the_room_of_a_server_that_rests_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    one_at_a_time(monkeypatch, waiting=0)
    held = asyncio.Event()
    rests, works = FakeOllama(), FakeOllama(fake=FakeModel(gates={1: held}))
    async with rests, works:
        with offered(Ollama(rests.url, works.url)) as model:
            for server in router.servers_of(model):
                if server.name.endswith(rests.url.removeprefix("http://")):
                    for _ in range(FAILURES_TO_OPEN):
                        router._breaker_of(server).failed(ModelFailed("it"))
            first = asyncio.ensure_future(collected(router.answer(model, asking())))
            await works.until(asked=1)
            with pytest.raises(ModelBusy):
                await router.require_room(model)
            held.set()
            await first
    await queues.close_queues()
