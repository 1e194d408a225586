"""`manage.py ask` and `manage.py models`, against an Ollama that is not one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from eloquent.foundation.config import get_config
from tests.fakes.ollama import FakeModel, FakeOllama, fake_ollama_in_a_thread

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _settings_read_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OLLAMA_HOST", "OLLAMA_MODEL", "LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "BEDROCK_MODEL_ID"):
        monkeypatch.delenv(name, raising=False)
    get_config.cache_clear()
    yield
    get_config.cache_clear()


def configure(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    get_config.cache_clear()


def run(*args: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command(*args, stdout=out, stderr=err)
    except SystemExit as left:
        return int(str(left.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    models = {"fake": FakeModel(), "other": FakeModel(tokens=("The", " other."), context_length=4096)}
    with fake_ollama_in_a_thread(**models, dies=FakeModel(dies_after=2)) as fake:
        configure(monkeypatch, OLLAMA_HOST=fake.url)
        yield fake


def test_ask_prints_the_default_models_answer(ollama: FakeOllama) -> None:
    assert run("ask", "How", "are you?") == (0, "Hello from a fake model.\n", "")
    assert ollama.requests[0]["messages"] == [{"role": "user", "content": "How are you?"}]


def test_ask_takes_another_model(ollama: FakeOllama) -> None:
    for name in ("other", "other:latest", "ollama/other:latest"):
        assert run("ask", "Hi", "--model", name) == (0, "The other.\n", "")
    assert {request["model"] for request in ollama.requests} == {"other:latest"}


def test_ask_for_a_model_that_is_not_offered_is_a_sentence_and_exit_code_1(ollama: FakeOllama) -> None:
    code, out, err = run("ask", "Hi", "--model", "nobody")
    assert (code, out) == (1, "")
    assert err == "The model “nobody” is not offered here. Choose one from the list of models.\n"
    assert ollama.requests == []


def test_ask_keeps_the_text_so_far_and_says_that_it_was_cut_off(ollama: FakeOllama) -> None:
    code, out, err = run("ask", "Hi", "--model", "dies")
    assert (code, out) == (1, "Hello from\n")
    assert err == "dies:latest stopped in the middle of its answer. Try again.\n"


def test_ask_says_what_to_set_when_nothing_is_configured() -> None:
    code, out, err = run("ask", "Hi")
    assert (code, out) == (1, "")
    assert "OLLAMA_HOST" in err


def test_ask_says_when_the_server_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, OLLAMA_HOST="http://127.0.0.1:1")
    code, out, err = run("ask", "Hi")
    assert (code, out) == (1, "")
    assert err == "No language model is available right now. Try again in a minute.\n"


def test_models_shows_what_is_offered_and_who_does_not_answer(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, OLLAMA_MODEL="other", LLAMACPP_HOST="http://127.0.0.1:1")
    code, out, err = run("models")
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows[0] == ["model", "provider", "window", "default", "reachable"]
    assert ["ollama/fake:latest", "ollama", "8192", "yes"] in rows
    assert ["ollama/other:latest", "ollama", "4096", "yes", "yes"] in rows
    assert "llamacpp" in out
    assert "no: The server of llamacpp cannot be reached." in out


def test_models_says_which_model_is_missing(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, OLLAMA_MODEL="llama3.2")
    _, _, err = run("models")
    assert err == "OLLAMA_MODEL is llama3.2, which is not on the server: `manage.py models pull llama3.2` brings it.\n"


def test_models_says_what_to_set_when_nothing_is_configured() -> None:
    code, out, err = run("models")
    assert (code, out) == (1, "")
    assert "OLLAMA_HOST" in err


def test_models_brings_shows_warms_unloads_and_removes_one(ollama: FakeOllama) -> None:
    ollama.registry["new:latest"] = [
        {"status": "pulling manifest"},
        {"status": "pulling 941f309b54ca", "total": 100, "completed": 100},
        {"status": "success"},
    ]
    assert run("models", "pull", "new") == (0, "new is there.\n", "")
    code, out, _ = run("models", "show", "new")
    assert (code, json.loads(out)["capabilities"]) == (0, ["completion"])
    assert run("models", "warm", "other", "--keep-alive", "3600") == (
        0,
        "other:latest is loaded with a window of 4096 tokens.\n",
        "",
    )
    # The window is that of the answers; another one would load the model again for the first question.
    assert ollama.loads[-1]["options"] == {"num_ctx": 4096}
    assert ollama.loads[-1]["keep_alive"] == 3600
    assert run("models", "unload", "other") == (0, "other is not in memory any more.\n", "")
    assert not ollama.models["other:latest"].loaded
    assert run("models", "remove", "new") == (0, "new is removed.\n", "")
    assert "new:latest" not in ollama.models


@pytest.mark.parametrize("act", ["show", "warm", "unload", "remove"])
def test_models_says_that_a_model_is_not_there(ollama: FakeOllama, act: str) -> None:
    code, out, err = run("models", act, "nobody")
    assert (code, out) == (1, "")
    assert err.startswith("The model nobody is no longer on its server.")


def test_models_gives_an_operator_the_servers_own_words(ollama: FakeOllama) -> None:
    code, _, err = run("models", "pull", "nobody")
    assert code == 1
    assert "file does not exist" in err


def test_models_are_brought_on_every_server_and_one_that_is_gone_stops_no_other(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama.registry["new:latest"] = [{"status": "success"}]
    gone = "http://127.0.0.1:1"
    configure(monkeypatch, OLLAMA_HOST=f"{gone}, {ollama.url}")
    code, out, err = run("models", "pull", "new")
    assert (code, out) == (1, f"{ollama.url}: new is there.\n")
    assert err.startswith(f"{gone}: The server of new cannot be reached.")
    assert run("models", "remove", "new", "--host", ollama.url) == (0, "new is removed.\n", "")
    code, _, err = run("models", "remove", "new", "--host", "http://elsewhere")
    assert (code, "is not among OLLAMA_HOST" in err) == (1, True)


def test_models_on_ollama_need_an_ollama() -> None:
    code, out, err = run("models", "pull", "new")
    assert (code, out, err) == (1, "", "This is for models on Ollama, and OLLAMA_HOST is not set.\n")


def test_ctrl_c_stops_the_model_and_leaves_cleanly() -> None:
    forever = FakeModel(tokens=("word ",) * 2000, tokens_per_s=20)
    with fake_ollama_in_a_thread(fake=forever) as fake:
        asking = subprocess.Popen(
            [sys.executable, "manage.py", "ask", "Talk."],
            cwd=ROOT,
            env={**os.environ, "OLLAMA_HOST": fake.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert asking.stdout is not None
            first = asking.stdout.read(5)
            asking.send_signal(signal.SIGINT)
            rest, err = asking.communicate(timeout=30)
        finally:
            asking.kill()
        assert asking.returncode == 130
        assert (first + rest).rstrip(b"\n").split(b" ")[0] == b"word"
        assert rest.endswith(b"\n")
        assert err == b"Stopped.\n"
        # The process is gone, so its socket is closed: what counts is that the answer was not read to its end.
        assert fake.completed == 0
