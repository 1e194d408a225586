"""What staff decided, laid over what servers list."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace

from inference import entries as rooms
from inference.catalog import Catalog, OfferedModel, offering
from inference.entries import Entries, options_of, with_defaults
from inference.providers.base import ProviderModel
from inference.providers.scripted import Scripted, saying
from inference.router import answer
from inference.store import ModelEntry
from inference.timeouts import Timeouts
from inference.types import GenerationOptions, PromptMessage, PromptRequest
from tests.inference.rigs import collected

LISTED = (ProviderModel("a", 8192), ProviderModel("b", 4096), ProviderModel("c", 2048))


def entry(name: str, **decided: Any) -> ModelEntry:
    return ModelEntry(id=ObjectId(), provider="scripted", name=name, **decided)


async def offered(*decided: ModelEntry, preferred: str | None = None) -> list[OfferedModel]:
    async def read() -> list[ModelEntry]:
        return list(decided)

    catalog = Catalog([Scripted(models=LISTED)], preferred=preferred, entries=Entries(read))
    try:
        return await catalog.models()
    finally:
        await catalog.aclose()


def names(models: list[OfferedModel]) -> list[str]:
    return [model.name + "*" * model.default for model in models]


async def test_without_an_entry_a_model_is_as_its_server_lists_it() -> None:
    assert names(await offered()) == ["a*", "b", "c"]
    assert names(await offered(entry("elsewhere", title="Not here"))) == ["a*", "b", "c"]


async def test_an_entry_decides_name_window_patience_options_and_fallbacks() -> None:
    [model, *_] = await offered(
        entry(
            "b",
            title="Bee",
            context_window=1024,
            fallbacks=["scripted/a"],
            temperature=0.2,
            keep_alive="3600",
            idle_s=7.0,
        )
    )
    assert (model.id, model.shown_name, model.context_window) == ("scripted/b", "Bee", 1024)
    assert model.fallbacks == ("scripted/a",)
    assert model.options == GenerationOptions(temperature=0.2, keep_alive=3600)
    assert model.timeouts == replace(Timeouts(), idle_s=7.0)


async def test_what_an_entry_leaves_open_is_the_servers() -> None:
    model = next(model for model in await offered(entry("b")) if model.name == "b")
    assert (model.shown_name, model.context_window, model.fallbacks) == ("b", 4096, ())
    assert (model.options, model.timeouts) == (GenerationOptions(), Timeouts())


async def test_entries_come_first_in_their_order_and_hidden_models_are_not_offered() -> None:
    assert names(await offered(entry("c"), entry("b"))) == ["c", "b", "a*"]
    assert names(await offered(entry("c"), entry("a", enabled=False))) == ["c*", "b"]
    assert await offered(*(entry(model.name, enabled=False) for model in LISTED)) == []


async def test_the_default_is_staffs_then_the_settings_then_the_first() -> None:
    assert names(await offered(preferred="b")) == ["a", "b*", "c"]
    assert names(await offered(entry("c", is_default=True), preferred="b")) == ["c*", "a", "b"]
    assert names(await offered(entry("c", is_default=True, enabled=False), preferred="b")) == ["a", "b*"]


def test_a_span_stays_text_and_seconds_become_a_number() -> None:
    assert [options_of(entry("a", keep_alive=told)).keep_alive for told in ("10m", "-1", "90", "")] == [
        "10m",
        -1,
        90,
        None,
    ]


def test_a_question_says_more_than_an_entry() -> None:
    defaults = GenerationOptions(temperature=0.2, max_output_tokens=100, thinking=False)
    asked = GenerationOptions(temperature=0.0, stop=("x",))
    assert with_defaults(asked, defaults) == GenerationOptions(
        temperature=0.0, max_output_tokens=100, thinking=False, stop=("x",)
    )
    assert with_defaults(asked, GenerationOptions()) is asked


async def test_options_reach_the_models_server() -> None:
    model = OfferedModel(
        "scripted/a", "a", "scripted", True, 8192, options=GenerationOptions(temperature=0.2, max_output_tokens=7)
    )
    provider = Scripted(saying("x"))
    with offering(model, provider):
        asked = PromptRequest("", (PromptMessage("user", "Hi"),), GenerationOptions(max_output_tokens=3))
        await collected(answer(model, asked))
    assert provider.requests[0].options == GenerationOptions(temperature=0.2, max_output_tokens=3)


class Reading:
    """Counts how often the entries are read, and holds or breaks the reading."""

    def __init__(self) -> None:
        self.entries: list[ModelEntry] = []
        self.times = 0
        self.error: Exception | None = None
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self) -> list[ModelEntry]:
        self.times += 1
        await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        return self.entries


async def test_many_who_ask_at_once_cost_one_reading() -> None:
    reading = Reading()
    entries = Entries(reading)
    reading.goes_on.clear()
    asking = [asyncio.ensure_future(entries.current()) for _ in range(20)]
    await asyncio.sleep(0)
    reading.goes_on.set()
    await asyncio.gather(*asking)
    await entries.current()
    assert reading.times == 1


async def test_one_who_leaves_does_not_end_the_reading_of_the_others() -> None:
    reading = Reading()
    entries = Entries(reading)
    reading.goes_on.clear()
    first, second = (asyncio.ensure_future(entries.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    reading.entries = [entry("a")]
    reading.goes_on.set()
    assert list(await second) == ["scripted/a"]


async def test_nothing_older_than_its_time_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "FRESH_S", 0.0)
    monkeypatch.setattr(rooms, "STALE_S", 0.0)
    reading = Reading()
    entries = Entries(reading)
    assert await entries.current() == {}
    reading.entries = [entry("a")]
    assert list(await entries.current()) == ["scripted/a"]


async def test_while_it_is_fresh_enough_nobody_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "FRESH_S", 0.0)
    reading = Reading()
    entries = Entries(reading)
    await entries.current()
    reading.goes_on.clear()
    assert await entries.current() == {}
    await asyncio.sleep(0)
    assert reading.times == 2
    await entries.aclose()


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "hangs"])
async def test_a_database_that_is_away_leaves_the_last_decisions_in_force(
    monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    monkeypatch.setattr(rooms, "FRESH_S", 0.0)
    monkeypatch.setattr(rooms, "STALE_S", 0.0)
    monkeypatch.setattr(rooms, "READING_LIMIT_S", 0.02)
    reading = Reading()
    reading.entries = [entry("a")]
    entries = Entries(reading)
    await entries.current()
    if is_gone:
        reading.error = ConnectionError("gone")
    else:
        reading.goes_on.clear()
    assert list(await entries.current()) == ["scripted/a"]
    reading.error, reading.entries = None, []
    reading.goes_on.set()
    assert await entries.current() == {}
