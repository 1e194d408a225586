"""What staff decided, laid over what servers list."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace

from eloquent.foundation.remembered import Remembered
from inference import catalog as catalog_module
from inference.catalog import Catalog, offering
from inference.entries import Decision, Decisions, options_of, with_defaults
from inference.offers import OfferedModel
from inference.providers.base import ProviderModel
from inference.providers.scripted import Scripted, saying
from inference.router import answer
from inference.store import ModelEntry, ModelPrice
from inference.timeouts import Timeouts
from inference.types import GenerationOptions, Price, PromptMessage, PromptRequest
from tests.inference.rigs import collected

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
LISTED = (ProviderModel("a", 8192), ProviderModel("b", 4096), ProviderModel("c", 2048))


def entry(name: str, **decided: Any) -> ModelEntry:
    return ModelEntry(id=ObjectId(), provider="scripted", name=name, **decided)


async def offered(*decided: ModelEntry, preferred: str | None = None) -> list[OfferedModel]:
    async def read() -> Decisions:
        return {each.model_id: Decision(each) for each in decided}

    catalog = Catalog([Scripted(models=LISTED)], preferred=preferred, decided=Remembered("entries", read, {}))
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
            capabilities=["vision"],
        )
    )
    assert model.capabilities == ("vision",)
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


async def test_a_price_that_begins_is_in_force_soon_and_the_list_is_made_once_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decision = Decision(entry("a"), (ModelPrice(ObjectId(), ObjectId(), NOON, 1, 2),))
    made: list[datetime] = []
    original = catalog_module.as_decided

    def counted(*args: Any) -> list[OfferedModel]:
        made.append(args[2])
        return original(*args)

    async def read() -> Decisions:
        return {"scripted/a": decision}

    moments = [NOON - timedelta(seconds=1), NOON]
    monkeypatch.setattr(catalog_module, "as_decided", counted)
    monkeypatch.setattr(catalog_module, "now", lambda: moments[len(made)])
    catalog = Catalog([Scripted(models=LISTED)], decided=Remembered("entries", read, {}))
    try:
        assert [(await catalog.models())[0].price for _ in range(3)] == [None] * 3
        assert len(made) == 1
        monkeypatch.setattr(catalog_module, "PRICED_EVERY_S", 0.0)
        catalog._last_shown = (*catalog._last_shown[:2], 0.0, catalog._last_shown[3])  # a second later
        assert (await catalog.models())[0].price == Price(1, 2)
    finally:
        await catalog.aclose()
