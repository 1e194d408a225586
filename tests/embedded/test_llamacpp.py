import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from eloquent.embedded import ports
from eloquent.embedded.errors import EmbeddedServerError
from eloquent.embedded.llamacpp import LlamaCpp


@pytest.fixture(scope="module")
def llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCpp]:
    with LlamaCpp(data_dir=tmp_path_factory.mktemp("llamacpp"), parallel=2) as server:
        yield server


def test_it_offers_the_model_with_the_context_that_was_asked_for(llamacpp: LlamaCpp) -> None:
    models = httpx.get(f"{llamacpp.address}/v1/models", timeout=30).json()["data"]
    assert [model["id"] for model in models] == ["smollm2-135m"]
    assert models[0]["meta"]["n_ctx"] == 4096


def test_it_answers(llamacpp: LlamaCpp) -> None:
    question = {"messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 4}
    answer = httpx.post(f"{llamacpp.address}/v1/chat/completions", json=question, timeout=60).json()
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 4


def test_other_web_sites_may_not_use_it_and_nobody_sees_the_prompts(llamacpp: LlamaCpp) -> None:
    health = httpx.get(f"{llamacpp.address}/health", headers={"Origin": "http://evil.example"}, timeout=30)
    assert health.status_code == 200
    assert health.headers.get("access-control-allow-origin", "") == ""
    assert httpx.get(f"{llamacpp.address}/slots", timeout=30).status_code != 200


def test_its_log_is_quiet(llamacpp: LlamaCpp) -> None:
    assert llamacpp.last_lines() == [f"serving smollm2-135m at {llamacpp.address}"]


def test_it_stops_at_once_even_while_it_answers(tmp_path: Path) -> None:
    question = {"messages": [{"role": "user", "content": "Tell a long story"}], "max_tokens": 3000, "stream": True}
    server = LlamaCpp(context=1024, parallel=1)
    server.start()
    directory = server.log_path.parent
    with httpx.stream("POST", f"{server.address}/v1/chat/completions", json=question, timeout=60) as answer:
        next(answer.iter_bytes())
        server.stop()
    assert server.exit_code == -signal.SIGTERM, "it did not go by itself in the time that it is given"
    assert not directory.exists()


def test_it_stops_at_once_even_while_it_loads(tmp_path: Path) -> None:
    server = LlamaCpp(ports.any_free_port(), data_dir=tmp_path)
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(server.start)
        # It listens before it loads.
        while not ports.accepts(server._wished_port or 0):
            assert not starting.done()
        server.stop()
        with pytest.raises(EmbeddedServerError, match="stopped while it started"):
            starting.result()
    assert server.exit_code == -signal.SIGTERM
