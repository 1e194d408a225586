"""What an answer leaves behind is freed when it ends, and is no work for the garbage collector.

The collector is told to look seldom, because a look is a pause for everybody's tokens. What it alone can free would
pile up until then: tens of kilobytes for each answer.
"""

import asyncio

from chat import titling
from eloquent import departures
from inference.providers.ollama import Ollama
from inference.providers.scripted import saying
from inference.types import PromptMessage, PromptRequest
from tests.chat.conftest import LanguageModel
from tests.fakes.ollama import FakeModel, FakeOllama
from tests.garbage import counted_garbage
from tests.inference.rigs import collected, text_of
from tests.people import Person


async def test_an_answer_leaves_nothing_to_the_garbage_collector(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    await _answered(ann, model, conversation)  # what is made once, at first use, is no garbage of an answer
    with counted_garbage("pymongo", "uvicorn") as found:
        for _ in range(3):
            await _answered(ann, model, conversation)
    assert found == {}


async def _answered(person: Person, model: LanguageModel, conversation: str) -> None:
    gate = asyncio.Event()
    model.script = ["Hello ", gate, *saying("there")]
    run = await person.ask(conversation, "Hello?")
    async with person.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            if chunk["type"] == "text-delta" and not gate.is_set():
                # As long as a reader of a true model waits: by then somebody listens for the reader's leaving.
                await asyncio.sleep(2 * departures.WATCH_AFTER_S)
                gate.set()
    assert (await person.messages(conversation))[-1]["status"] == "complete"
    await titling.end()


async def test_a_language_model_that_answered_leaves_nothing_to_the_garbage_collector() -> None:
    async with FakeOllama(fake=FakeModel()) as ollama:
        provider = Ollama(ollama.url)
        asked = PromptRequest("fake", (PromptMessage("user", "Hi"),))
        await collected(provider.answer(asked))
        with counted_garbage("httpx", "aiohttp") as found:
            for _ in range(3):
                events, error = await collected(provider.answer(asked))
                assert text_of(events)
                assert error is None
    assert found == {}
