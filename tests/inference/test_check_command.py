"""`manage.py inference check`: each model asked once, and what is said of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.core.management.base import CommandError

from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted
from inference.types import Finished, FinishReason, Price, ReasoningDelta, Usage
from tests.fakes.ollama import FakeModel, FakeOllama, fake_ollama_in_a_thread
from tests.inference.test_commands import _settings_read_anew, configure, run  # noqa: F401  (a fixture)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.retries.FIRST_PAUSE_S", 0.0)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    models = {
        "broken": FakeModel(refuses=(500, "CUDA")),
        "dead": FakeModel(refuses=(500, "CUDA")),
        "fast": FakeModel(),
        "slow": FakeModel(tokens=("word ",) * 500, tokens_per_s=20),
    }
    with fake_ollama_in_a_thread(**models) as fake:
        configure(monkeypatch, OLLAMA_HOST=fake.url)
        yield fake


def test_each_model_is_asked_once_and_shown_in_a_row(ollama: FakeOllama) -> None:
    code, out, err = run("inference", "check", "--timeout", "1")
    header, *rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (1, "")
    assert header[:2] == ["model", "outcome"]
    told = {row[0].removeprefix("ollama/"): row[1:] for row in rows}
    # Six failures in a row would have opened the breaker: each model is judged by itself.
    assert [told[name][0] for name in ("broken:latest", "dead:latest")] == ["model_failed"] * 2
    assert told["fast:latest"][0] == "ok"
    assert told["fast:latest"][-3:] == ["11", "6", "-"]
    assert told["slow:latest"][0] == "model_timeout"
    assert "slow:latest did not complete its answer in 1 s." in out
    assert ollama.completed == 7  # three attempts with each that refuses, and one; the slow one was left


def test_the_question_is_short_and_only_for_those_that_are_named(ollama: FakeOllama) -> None:
    code, out, _ = run("inference", "check", "--model", "fast", "--model", "ollama/fast:latest")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["ollama/fast:latest", "ok"]] * 2
    assert [request["model"] for request in ollama.requests] == ["fast:latest"] * 2
    assert ollama.requests[0]["options"]["num_predict"] == 64


def test_json_has_numbers_and_the_cost(ollama: FakeOllama) -> None:
    usage = Usage(1000, 10, reported=True)
    model = OfferedModel(
        "s/it", "it", "s", default=False, context_window=4096, price=Price(2_000_000, 10_000_000), fallbacks=("x/y",)
    )
    scripted = Scripted(["Ready.", Finished(FinishReason.STOP, usage)], name="s")
    with offering(model, scripted):
        code, out, _ = run("inference", "check", "--model", "it", "--format", "json")
    [told] = json.loads(out)
    assert told.pop("first_token_s") >= 0
    assert (code, told) == (
        0,
        {
            "model": "s/it",
            "outcome": "ok",
            "input_tokens": 1000,
            "output_tokens": 10,
            "cost_micros": 2100,
            "tokens_per_s": None,
            "detail": None,
        },
    )


def test_a_model_without_a_word_is_not_well_and_one_that_only_thought_is(ollama: FakeOllama) -> None:
    scripts = {
        "mute": [Finished(FinishReason.STOP, Usage())],
        "counted": [Finished(FinishReason.LENGTH, Usage(3, 64, reported=True))],
        "thinks": [ReasoningDelta("Hm."), Finished(FinishReason.LENGTH, Usage())],
    }
    with ExitStack() as stack:
        for name, script in scripts.items():
            model = OfferedModel(f"{name}/it", name, name, default=False, context_window=4096)
            stack.enter_context(offering(model, Scripted(script, name=name)))
        code, out, _ = run("inference", "check", *(f"--model={name}" for name in scripts), "--format", "json")
    outcomes = {told["model"]: told["outcome"] for told in json.loads(out)}
    assert (code, outcomes) == (1, {"mute/it": "empty_answer", "counted/it": "ok", "thinks/it": "ok"})


def test_no_other_model_answers_for_one_that_fails(ollama: FakeOllama) -> None:
    model = OfferedModel("s/it", "it", "s", default=False, context_window=4096, fallbacks=("ollama/fast:latest",))
    with offering(model, Scripted([], name="s")):
        code, out, _ = run("inference", "check", "--model", "it")
    assert (code, "answer_cut_off" in out) == (1, True)
    assert ollama.requests == []


def test_a_server_that_does_not_list_its_models_is_a_row(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    del ollama.models["broken:latest"], ollama.models["dead:latest"], ollama.models["slow:latest"]
    configure(monkeypatch, LLAMACPP_HOST="http://127.0.0.1:1")
    code, out, _ = run("inference", "check", "--format", "json")
    assert code == 1
    assert {told["model"]: told["outcome"] for told in json.loads(out)} == {
        "ollama/fast:latest": "ok",
        "llamacpp/*": "model_unreachable",
    }


def test_what_is_not_offered_not_configured_or_no_time_is_a_sentence(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("inference", "check", "--model", "nobody")[::2] == (
        1,
        "The model “nobody” is not offered here. Choose one from the list of models.\n",
    )
    with pytest.raises(CommandError, match="'0' is no number of seconds above 0"):
        run("inference", "check", "--timeout", "0")
    monkeypatch.delenv("OLLAMA_HOST")
    configure(monkeypatch)
    code, out, err = run("inference", "check")
    assert (code, out, "OLLAMA_HOST" in err) == (1, "", True)
