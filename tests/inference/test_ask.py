"""The options of `manage.py ask`: what reaches the model, what is refused before, and what is told beside it."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from django.core.management.base import CommandError

from eloquent.management.commands import ask
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted
from inference.tools import toolbox
from inference.types import Finished, FinishReason, Price, ReasoningDelta, Usage
from tests import pictures
from tests.fakes.ollama import FakeModel, FakeOllama, fake_ollama_in_a_thread
from tests.inference.test_commands import _settings_read_anew, configure, run  # noqa: F401  (a fixture)

ASKS = (("calculate", {"expression": "6 * 7"}),)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    models = {
        "fake": FakeModel(capabilities=("completion", "tools", "vision", "thinking")),
        "calls": FakeModel(calls=ASKS, tokens=("It", " is 42.")),
        "restless": FakeModel(calls=ASKS, calls_for_ever=True),
        "inventive": FakeModel(calls=(("rm_rf", {}),)),
        "broken": FakeModel(refuses=(500, "CUDA")),
        "slow": FakeModel(tokens_per_s=50),
    }
    with fake_ollama_in_a_thread(**models) as fake:
        configure(monkeypatch, OLLAMA_HOST=fake.url, OLLAMA_MODEL="fake")
        yield fake


def test_every_option_reaches_the_model(ollama: FakeOllama, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    (tmp_path / "schema").write_text(json.dumps(schema))
    (tmp_path / "picture").write_bytes(pictures.png())
    (tmp_path / "other").write_bytes(pictures.gif())
    options = "--system Briefly. --temperature 0.5 --top-p 0.9 --max-tokens 4 --seed 7 --stop END --stop STOP"
    options += f" --no-thinking --json-schema {tmp_path}/schema --keep-alive -1"
    options += f" --image {tmp_path}/picture --image {tmp_path}/other"
    code, out, err = run("ask", "What?", *options.split())
    assert (code, out) == (0, "Hello from a fake\n")
    assert err == "\nThe answer was longer than its limit and ends here.\n"
    [asked] = ollama.requests
    system, user = asked["messages"]
    assert system == {"role": "system", "content": "Briefly."}
    assert user["content"] == "What?"
    assert [base64.b64decode(image) for image in user["images"]] == [pictures.png(), pictures.gif()]
    expected = {"temperature": 0.5, "top_p": 0.9, "num_predict": 4, "seed": 7, "stop": ["END", "STOP"]}
    assert expected.items() <= asked["options"].items()
    assert (asked["think"], asked["format"], asked["keep_alive"]) == (False, schema, -1)


def test_without_options_nothing_is_asked_for(ollama: FakeOllama) -> None:
    assert run("ask", "Hi")[0] == 0
    [asked] = ollama.requests
    assert asked["messages"] == [{"role": "user", "content": "Hi"}]
    assert not {"think", "format", "keep_alive", "tools"} & asked.keys()


def test_json_may_be_any_and_the_system_text_may_be_a_file(ollama: FakeOllama, tmp_path: Path) -> None:
    (tmp_path / "system").write_text("Be kind.\n")
    assert run("ask", "Hi", "--json", "--system-file", str(tmp_path / "system"))[0] == 0
    [asked] = ollama.requests
    assert asked["format"] == "json"
    assert asked["messages"][0] == {"role": "system", "content": "Be kind.\n"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--temperature 3", "'3' is not a number from 0 to 2."),
        ("--temperature nan", "'nan' is not a number from 0 to 2."),
        ("--top-p warm", "'warm' is not a number from 0 to 1."),
        ("--max-tokens 0", "'0' is no number of tokens, 1 or more."),
        ("--seed -4", "'-4' is no whole number from 0 to"),
        ("--stop=", "Nothing cannot end an answer"),
        ("--keep-alive soon", "'soon' is no span such as 10m"),
        ("--system-file {there}/missing", "missing cannot be read: No such file"),
        ("--json-schema {there}/list", "is no JSON schema, which is an object"),
        ("--json-schema {there}/empty", "is an empty schema"),
        ("--image {there}/list", "list is no picture: a PNG, JPEG, GIF or WebP is expected."),
        ("--image {there}/cut.png", "cut.png begins as a picture and is cut off or broken."),
        ("--json --json-schema {there}/schema", "not allowed with argument"),
        ("--system a --system-file {there}/list", "not allowed with argument"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_before_anybody_is_asked(
    ollama: FakeOllama, tmp_path: Path, options: str, sentence: str
) -> None:
    for name, content in (("list", b"[1]"), ("empty", b"{}"), ("schema", b'{"type": "object"}')):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "cut.png").write_bytes(pictures.png()[:-20])
    with pytest.raises(CommandError) as refused:
        run("ask", "Hi", *options.format(there=tmp_path).split())
    assert sentence in str(refused.value)
    assert ollama.requests == []


def test_thoughts_that_were_asked_for_are_told_on_stderr(ollama: FakeOllama) -> None:
    thinker = Scripted([ReasoningDelta("Hm."), "Yes.", Finished(FinishReason.STOP, Usage())], name="thinker")
    with offering(OfferedModel("thinker/it", "it", "thinker", default=False, context_window=4096), thinker):
        assert run("ask", "Hi", "--model", "it", "--thinking") == (0, "Yes.\n", "Hm.")
        assert run("ask", "Hi", "--model", "it") == (0, "Yes.\n", "")
    assert [request.options.thinking for request in thinker.requests] == [True, None]


def test_tools_are_called_and_told_on_stderr(ollama: FakeOllama) -> None:
    code, out, err = run("ask", "6 * 7?", "--model", "calls", "--tools")
    assert (code, out) == (0, "It is 42.\n")
    assert err == '→ calculate {"expression":"6 * 7"}\n← 42\n'
    first, second = ollama.requests
    assert [tool["function"]["name"] for tool in first["tools"]] == ["calculate", "current_time"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][-1]["content"] == "42"


def test_a_tool_that_was_not_offered_is_not_called(ollama: FakeOllama) -> None:
    code, _, err = run("ask", "Hi", "--model", "inventive", "--tools")
    assert code == 0
    assert "← There is no tool named rm_rf." in err


def test_a_tool_that_needs_a_persons_agreement_is_neither_offered_nor_called(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolbox, "needs_approval", lambda name: name == "calculate")
    _, _, err = run("ask", "6 * 7?", "--model", "calls", "--tools")
    assert err.startswith("Not offered, because a person must agree to each call: calculate.\n")
    assert "← There is no tool named calculate." in err
    assert [tool["function"]["name"] for tool in ollama.requests[0]["tools"]] == ["current_time"]


def test_a_model_that_only_calls_tools_is_ended(ollama: FakeOllama) -> None:
    code, out, err = run("ask", "Hi", "--model", "restless", "--tools")
    assert (code, out) == (1, "")
    assert err.endswith("The model still calls tools after 5 steps and has no answer.\n")
    assert len(ollama.requests) == 5


def test_usage_is_told_at_the_end(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ask.model_named

    async def priced(model_id: str | None) -> object:
        return msgspec.structs.replace(await named(model_id), price=Price(1_000_000, 10_000_000))

    code, _, err = run("ask", "Hi", "--model", "slow", "--usage")
    assert (code, err.count("\n")) == (0, 1)
    tokens, first, speed, cost = err.strip().split("; ")
    assert tokens == "11 input and 6 output tokens"
    assert first.startswith("first token after 0.")
    assert 20 < float(speed.removesuffix(" tokens/s")) < 80
    assert cost == "cost -"
    monkeypatch.setattr(ask, "model_named", priced)
    # Two calls of 11 and 5, and 11 and 2 tokens.
    assert run("ask", "Hi", "--model", "calls", "--tools", "--usage")[2].endswith("; cost 0.000092 USD\n")


def test_another_model_answers_unless_this_one_alone_is_wanted(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ask.model_named

    async def with_fallback(model_id: str | None) -> object:
        return msgspec.structs.replace(await named(model_id), fallbacks=("ollama/fake:latest",))

    monkeypatch.setattr(ask, "model_named", with_fallback)
    monkeypatch.setattr("inference.retries.FIRST_PAUSE_S", 0.0)
    code, out, err = run("ask", "Hi", "--model", "broken")
    assert (code, out) == (0, "Hello from a fake model.\n")
    assert err == "broken:latest cannot answer; fake:latest does.\n"
    code, out, err = run("ask", "Hi", "--model", "broken", "--no-fallback")
    assert (code, out) == (1, "")
    assert err == "broken:latest failed while it worked on the answer. Try again.\n"
