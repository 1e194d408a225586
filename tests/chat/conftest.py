"""People and a language model for the chat's tests."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chat import titling, work
from chat.reaper import Reaper
from chat.types import Run
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step, saying
from tests.people import Person

SCRIPTED = OfferedModel("scripted/scripted", "scripted", "scripted", default=True, context_window=8192)


@pytest_asyncio.fixture
async def ann(server: str) -> AsyncIterator[Person]:
    """A user."""
    async with Person(server, "ann") as person:
        yield person


@pytest_asyncio.fixture
async def bob(server: str) -> AsyncIterator[Person]:
    """Another user."""
    async with Person(server, "bob") as person:
        yield person


class LanguageModel:
    """The default model of a test. Set `script` before asking; `provider` has seen the requests.

    `steps` are scripts of the next calls, each played once before `script` has its turn.
    """

    def __init__(self) -> None:
        self.script = saying("Hello", " there", "!")
        self.steps: list[list[Step]] = []
        self.provider = Scripted(lambda _: self.steps.pop(0) if self.steps else self.script)


@pytest_asyncio.fixture
async def model() -> AsyncIterator[LanguageModel]:
    """A scripted language model that is offered as the default. Answers that a test leaves running end with it."""
    language_model = LanguageModel()
    with offering(SCRIPTED, language_model.provider):
        yield language_model
        await asyncio.gather(*(answering.interrupt() for answering in list(work._at_work.values())))
        await titling.end()


@pytest.fixture
def only_its_own_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's reaper looks every two seconds, and would take a lost run before the test does."""
    reap = Reaper._reap

    async def unless_the_servers(reaper: Reaper, lost: list[Run]) -> None:
        if reaper._at_work is not work._at_work:
            await reap(reaper, lost)

    monkeypatch.setattr(Reaper, "_reap", unless_the_servers)
