"""The program `llm` in a process of its own, told of us as its documentation says for servers like OpenAI's."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from inference.types import PromptRequest
from tests.chat.conftest import LanguageModel
from tests.people import Person

CONFIGURATION = """
- model_id: eloquent
  model_name: scripted/scripted
  api_base: "{server}/v1"
  api_key_name: eloquent
"""


@pytest.fixture
def home(tmp_path: Path, ann: Person) -> Path:
    """Where llm keeps its settings: https://llm.datasette.io/en/stable/other-models.html."""
    (tmp_path / "extra-openai-models.yaml").write_text(CONFIGURATION.format(server=ann.server))
    return tmp_path


async def llm(home: Path, *arguments: str) -> tuple[int, str, str]:
    """Its exit code and what it says."""
    # Without plugins: one that lies about in the virtual environment would be loaded, too.
    environment = {**os.environ, "LLM_USER_PATH": str(home), "LLM_LOAD_PLUGINS": "", "NO_PROXY": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "llm",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    async with asyncio.timeout(60):
        said, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


def words_of(request: PromptRequest) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in request.messages]


async def test_llm_asks_goes_on_and_stores_what_was_used(home: Path, secret: str, model: LanguageModel) -> None:
    ask = ("prompt", "-m", "eloquent", "--key", secret)
    assert await llm(home, *ask, "-s", "Be brief.", "-o", "temperature", "0.5", "Hi") == (0, "Hello there!\n", "")
    assert await llm(home, *ask, "-c", "And now?", "--no-stream") == (0, "Hello there!\n", "")
    first, second = model.provider.requests
    assert words_of(first) == [("system", "Be brief."), ("user", "Hi")]
    assert first.options.temperature == 0.5
    assert words_of(second)[-3:] == [("user", "Hi"), ("assistant", "Hello there!"), ("user", "And now?")]
    code, logged, _ = await llm(home, "logs", "list", "--json", "-n", "0")
    assert code == 0
    assert [(entry["input_tokens"], entry["output_tokens"]) for entry in json.loads(logged)] == [(1, 3), (1, 3)]


async def test_llm_says_what_a_refusal_says(home: Path, secret: str, model: LanguageModel) -> None:
    code, said, complained = await llm(home, "prompt", "-m", "eloquent", "--key", "sk-wrong", "Hi")
    assert code == 1
    assert said == ""
    assert "API key" in complained
    assert secret not in complained
    assert model.provider.requests == []
