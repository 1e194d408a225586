"""The list of models: whole although servers are down, cheap although many ask."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import pytest_asyncio

from inference import catalog
from inference.catalog import Catalog, model_named, models_offered, offering
from inference.errors import ModelNotOffered, ModelUnreachable, NoModelAvailable
from inference.offers import OfferedModel
from inference.providers.base import ProviderModel
from inference.providers.scripted import Scripted
from inference.types import Event, PromptRequest


class Listing:
    """A provider of which only the list is of interest."""

    def __init__(self, name: str, *models: ProviderModel) -> None:
        self.name = name
        self.refuses_overflow = True
        self.offered = list(models)
        self.asked = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def models(self) -> list[ProviderModel]:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.offered

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        return Scripted(()).answer(request)

    async def aclose(self) -> None:
        return


def listing(name: str, *models: str) -> Listing:
    return Listing(name, *(ProviderModel(model, 4096) for model in models))


class Clock:
    """Moves the catalog's clock, which is the loop's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real, self.ahead_s = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead_s)


@pytest_asyncio.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clock]:
    yield Clock(monkeypatch)
    monkeypatch.undo()


@pytest.fixture
def _current(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(catalog, "_current", None)


def use(monkeypatch: pytest.MonkeyPatch, *providers: Listing, preferred: str | None = None) -> Catalog:
    made = Catalog(providers, preferred=preferred)
    monkeypatch.setattr(catalog, "_current", (asyncio.get_running_loop(), made))
    return made


async def test_models_of_all_providers_are_listed_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, listing("first", "b", "a"), listing("second", "a"))
    offered = await models_offered()
    assert [model.id for model in offered] == ["first/b", "first/a", "second/a"]
    assert [model.default for model in offered] == [True, False, False]
    assert (await model_named(None)).id == "first/b"


@pytest.mark.parametrize("preferred", ["LLAMA3:latest", "llama3", "second/llama3:latest"])
async def test_the_preferred_model_is_the_default(monkeypatch: pytest.MonkeyPatch, preferred: str) -> None:
    use(monkeypatch, listing("first", "a"), listing("second", "b", "llama3:latest"), preferred=preferred)
    assert (await model_named(None)).id == "second/llama3:latest"
    assert [model.default for model in await models_offered()] == [False, False, True]


async def test_a_provider_that_is_down_hides_its_own_models_only(monkeypatch: pytest.MonkeyPatch) -> None:
    down = listing("down", "a")
    down.error = ModelUnreachable("down")
    use(monkeypatch, down, listing("up", "b"))
    assert [model.id for model in await models_offered()] == ["up/b"]
    with pytest.raises(ModelUnreachable, match="The server of a cannot be reached"):
        await model_named("down/a")
    with pytest.raises(ModelNotOffered):
        await model_named("up/a")


async def test_a_provider_that_does_not_answer_in_time_hides_its_own_models_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "LISTING_LIMIT_S", 0.02)
    slow = listing("slow", "a")
    slow.gate = asyncio.Event()
    use(monkeypatch, slow, listing("up", "b"))
    assert [model.id for model in await models_offered()] == ["up/b"]
    assert slow.asked == 2


@pytest.mark.parametrize("says", ["nothing", "that its server was late"])
async def test_a_provider_that_was_late_once_is_asked_again_and_its_models_are_there(
    monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    late = listing("late", "a")

    async def models() -> list[ProviderModel]:
        late.asked += 1
        if late.asked > 1:
            return late.offered
        if says == "nothing":
            raise TimeoutError
        raise ModelUnreachable("late") from TimeoutError()

    monkeypatch.setattr(late, "models", models)
    made = use(monkeypatch, late)
    assert [model.id for model in await models_offered()] == ["late/a"]
    assert (late.asked, made.unreachable) == (2, {})


async def test_a_provider_that_refuses_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    down = listing("down", "a")
    down.error = ModelUnreachable("down")
    use(monkeypatch, down)
    assert await models_offered() == []
    assert down.asked == 1


async def test_many_who_ask_at_once_cost_one_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = listing("one", "a")
    provider.gate = asyncio.Event()
    use(monkeypatch, provider)
    asking = [asyncio.ensure_future(models_offered()) for _ in range(20)]
    asking[0].cancel()  # the first to ask leaves, and the others do not notice
    await asyncio.sleep(0)
    provider.gate.set()
    listed = await asyncio.gather(*asking[1:])
    assert all(models == listed[0] for models in listed)
    assert [model.id for model in listed[0]] == ["one/a"]
    assert provider.asked == 1


async def test_a_stale_list_is_served_while_a_new_one_is_made(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    provider = listing("one", "old")
    made = use(monkeypatch, provider)
    await models_offered()
    await models_offered()
    assert provider.asked == 1
    clock.ahead_s += catalog.FRESH_S
    provider.offered, provider.gate = [ProviderModel("new", 4096)], asyncio.Event()
    assert [model.name for model in await models_offered()] == ["old"]
    provider.gate.set()
    assert made._listing is not None
    await made._listing
    assert [model.name for model in await models_offered()] == ["new"]


async def test_a_list_that_is_too_old_is_not_served(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    provider = listing("one", "old")
    use(monkeypatch, provider)
    await models_offered()
    clock.ahead_s += catalog.STALE_S
    provider.offered = [ProviderModel("new", 4096)]
    assert [model.name for model in await models_offered()] == ["new"]


async def test_a_provider_that_comes_back_is_offered_again(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    provider = listing("one", "a")
    provider.error = ModelUnreachable("one")
    use(monkeypatch, provider)
    with pytest.raises(NoModelAvailable):
        await model_named(None)
    clock.ahead_s += catalog.STALE_S
    provider.error = None
    assert (await model_named("one/a")).name == "a"


async def test_without_any_provider_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    assert await models_offered() == []
    for asked in (None, "some/model"):
        with pytest.raises(NoModelAvailable):
            await model_named(asked)


async def test_a_bare_name_will_do_when_only_one_provider_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, listing("first", "a:latest", "both"), listing("second", "both"))
    assert (await model_named("a")).id == "first/a:latest"
    with pytest.raises(ModelNotOffered):
        await model_named("both")


async def test_an_unknown_window_is_taken_to_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Listing("one", ProviderModel("a", None)))
    assert (await model_named(None)).context_window == catalog.UNKNOWN_WINDOW


async def test_an_inserted_model_is_offered_for_as_long_as_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, listing("one", "a"))
    model = OfferedModel("test/x", "x", "test", default=True, context_window=10)
    with offering(model, Scripted(())):
        assert [(m.id, m.default) for m in await models_offered()] == [("test/x", True), ("one/a", False)]
        assert await model_named(None) is model
    assert [m.id for m in await models_offered()] == ["one/a"]


async def test_closing_ends_a_listing_that_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = listing("one", "a")
    provider.gate = asyncio.Event()
    made = use(monkeypatch, provider)
    asking = asyncio.ensure_future(models_offered())
    while made._listing is None:  # noqa: ASYNC110  (a turn of the loop, not a wait)
        await asyncio.sleep(0)
    await catalog.close_catalog()
    assert made._listing.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await asking
