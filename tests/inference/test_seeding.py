"""`manage.py models seed`: the catalog begun, once, around what staff decided."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from eloquent.foundation.config import ConfigFaults, load_config
from eloquent.foundation.price_lists import ListedPrice, price_list
from eloquent.management.commands import models as models_command
from inference.models import ModelEntry, ModelPrice
from tests.fakes.ollama import FakeModel, FakeOllama, fake_ollama_in_a_thread
from tests.inference.test_commands import _settings_read_anew, configure, run  # noqa: F401  (a fixture)

PRICES = {
    "ollama/zeta": {"input": "2.50", "output": "10", "cached_input": "0.25"},
    "ollama/alpha:latest": {"input": "0", "output": "0.000001"},
}


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    # Not in the order of their names, which is that of entries by default.
    with fake_ollama_in_a_thread(zeta=FakeModel(), alpha=FakeModel(), middle=FakeModel()) as fake:
        configure(monkeypatch, OLLAMA_HOST=fake.url, MODEL_PRICES=json.dumps(PRICES))
        yield fake


def kept() -> list[dict[str, Any]]:
    return [*ModelEntry.objects.values(), *ModelPrice.objects.values()]


@pytest.mark.django_db
def test_each_model_gets_an_entry_and_its_price_and_a_second_time_changes_nothing(ollama: FakeOllama) -> None:
    listed = run("models", "list")[1]
    code, out, err = run("models", "seed")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "ollama/zeta:latest has an entry now.",
        "ollama/alpha:latest has an entry now.",
        "ollama/middle:latest has an entry now.",
        "ollama/zeta:latest costs 2.50 (input), 0.25 (cached input), 10.00 (output) USD a million tokens now.",
        "ollama/alpha:latest costs 0.00 (input), 0.000001 (output) USD a million tokens now.",
    ]
    prices = {price.entry.model_id: price for price in ModelPrice.objects.select_related("entry")}
    assert set(prices) == {"ollama/zeta:latest", "ollama/alpha:latest"}
    zeta = prices["ollama/zeta:latest"]
    assert (zeta.input_micros, zeta.cached_input_micros, zeta.output_micros) == (2_500_000, 250_000, 10_000_000)
    # Nobody sees another order, or another default.
    assert run("models", "list")[1] == listed
    assert run("models")[1] == listed

    before = kept()
    assert run("models", "seed")[1] == "Nothing to do: every model listed has an entry, and each that can a price.\n"
    assert kept() == before


@pytest.mark.django_db
def test_what_staff_decided_stays(ollama: FakeOllama) -> None:
    zeta = ModelEntry.objects.create(provider="ollama", name="zeta:latest", title="Zed", enabled=False, order=7)
    price = ModelPrice.objects.create(entry=zeta, input_micros=1, output_micros=2)
    alpha = ModelEntry.objects.create(provider="ollama", name="alpha:latest", title="Al", temperature=0.1)
    before = [ModelEntry.objects.filter(pk=entry.pk).values().get() for entry in (zeta, alpha)]
    code, out, _ = run("models", "seed")
    assert (code, len(out.splitlines())) == (0, 2)  # an entry for middle, a price for alpha
    assert [ModelEntry.objects.filter(pk=entry.pk).values().get() for entry in (zeta, alpha)] == before
    assert list(ModelPrice.objects.filter(entry=zeta)) == [price]
    assert ModelPrice.objects.get(entry=alpha).output_micros == 1
    assert ModelEntry.objects.get(name="middle:latest").order == 101


@pytest.mark.django_db
def test_what_cannot_be_done_is_said_and_the_rest_is_done(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    ollama.models[f"{'x' * 250}:latest"] = FakeModel()
    prices = {"openai/gpt-5": {"input": "1", "output": "2"}}
    configure(monkeypatch, LLAMACPP_HOST="http://127.0.0.1:1", MODEL_PRICES=json.dumps(prices))
    code, out, err = run("models", "seed")
    assert code == 1
    assert out.count("has an entry now") == 3
    assert "gets no entry: " in out
    assert err.splitlines() == [
        "MODEL_PRICES names openai/gpt-5, which no server lists and no entry has.",
        "llamacpp: The server of llamacpp cannot be reached. Try again in a minute.",
    ]


def test_prices_are_read_to_the_millionth() -> None:
    assert price_list("") == {}
    assert price_list('{"a/b": {"input": "1.000001", "output": "999999999"}}') == {
        "a/b": ListedPrice(1_000_001, 999_999_999_000_000)
    }


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("{", ["it is no JSON"]),
        ("[]", ["it must be an object of models"]),
        (
            (
                '{"gpt": {}, "openai/gpt": 3, "a/b": {"input": 2.5, "outptu": "1"},'
                ' "a/c": {"input": "-1", "output": "1e3", "cached_input": "0.0000001"}}'
            ),
            [
                "“gpt” is no id, which has the form provider/name",
                "openai/gpt must have an object of prices",
                "a/b lacks “output”",
                "a/b has “outptu”, which means nothing here",
                "a/b: “input” must be an amount as text",
                "a/c: “input” must",
                "a/c: “output” must",
                "a/c: “cached_input” must",
            ],
        ),
    ],
)
def test_all_that_is_wrong_with_the_prices_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, text: str, faults: list[str]
) -> None:
    configure(monkeypatch, MODEL_PRICES=text, PORT="no port")
    with pytest.raises(ConfigFaults) as found:
        load_config()
    assert [fault.name for fault in found.value.faults] == ["PORT", "MODEL_PRICES"]
    for fault in faults:
        assert fault in str(found.value)


@pytest.mark.django_db
def test_a_database_that_is_away_is_a_sentence(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(models: object) -> list[str]:
        raise OperationalError("mongo.internal:27017")

    monkeypatch.setattr(models_command, "seed_entries", away)
    code, out, err = run("models", "seed")
    assert (code, out) == (1, "")
    assert err == "The catalog cannot be written: the database does not answer (OperationalError).\n"
