"""Titles by a language model: when it is asked, when it is left alone, and what is never overwritten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
import pytest_asyncio
from bson import ObjectId

from chat import store, titling, work
from chat.types import TitledBy
from eloquent.foundation import lifecycle
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from inference.billing.bill import all_settled
from inference.catalog import offering
from inference.errors import ModelBusy
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step, saying
from inference.types import Finished, FinishReason, PromptRequest, ReasoningDelta, Usage
from tests.chat.conftest import SCRIPTED
from tests.people import Person

QUESTION = "Why is the sky blue? Tell me in short."
ANSWER = "Because the air scatters blue sunlight most."


def is_title(request: PromptRequest) -> bool:
    return request.options.max_output_tokens == titling.MOST_TITLE_TOKENS


class Namer:
    """The default language model: it answers by `answers`, and names conversations by `titles`."""

    def __init__(self) -> None:
        self.answers: list[Step] = saying(ANSWER)
        self.titles: list[Step] = saying("Blue Sky Scattering")
        self.provider = Scripted(self._script)

    def _script(self, request: PromptRequest) -> Iterable[Step]:
        return self.titles if is_title(request) else self.answers

    @property
    def asked(self) -> list[PromptRequest]:
        """The requests for titles so far."""
        return [request for request in self.provider.requests if is_title(request)]


TitleModel = Callable[[str], None]


@pytest.fixture
def title_model(monkeypatch: pytest.MonkeyPatch) -> TitleModel:
    """Sets TITLE_MODEL."""

    def chosen(name: str) -> None:
        config = get_config().model_copy(update={"title_model": name})
        monkeypatch.setattr(titling, "get_config", lambda: config)

    chosen("")
    return chosen


@pytest_asyncio.fixture
async def namer(title_model: TitleModel) -> AsyncIterator[Namer]:
    model = Namer()
    with offering(SCRIPTED, model.provider):
        yield model
        await asyncio.gather(*(answering.interrupt() for answering in list(work._at_work.values())))
        await titling.end()


async def titles_at_rest() -> None:
    """Until no title is on its way: well before one would be given up by itself."""
    async with asyncio.timeout(15):
        while titling._titles:
            await asyncio.wait([title.task for title in titling._titles.values()])


async def answered(person: Person, conversation: str, question: str = QUESTION, **body: Any) -> dict[str, Any]:
    """The run, once it is at rest and its process has noticed."""
    run = await person.ask(conversation, question, **body)
    at_work = work._at_work.get(ObjectId(run["id"]))
    rested: dict[str, Any] = await person.at_rest(run["id"])
    if at_work is not None and at_work.finished is not None:
        await asyncio.wait([at_work.finished])
    return rested


async def title_of(person: Person, conversation: str) -> str:
    title: str = (await person.ok("GET", f"/conversations/{conversation}"))["title"]
    return title


async def titled_by(conversation: str) -> str:
    document = await database()[store.CONVERSATIONS].find_one({"_id": ObjectId(conversation)})
    assert document is not None
    by: str = document["titled_by"]
    return by


async def test_a_title_is_charged_as_one_whose_calls_are_counted(ann: Person, namer: Namer) -> None:
    namer.titles = saying("Blue ", "Sky")
    run = await answered(ann, await ann.conversation())
    await titles_at_rest()
    await all_settled()
    lines = await database().usage.find({"run_id": ObjectId(run["id"])}, sort=[("_id", 1)]).to_list()
    assert [line["purpose"] for line in lines] == ["answer", "title"]


async def test_the_first_words_give_way_to_the_models_title(ann: Person, namer: Namer) -> None:
    gate = asyncio.Event()
    namer.titles = [gate, *saying('"Blue Sky ', 'Scattering."')]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    before = await ann.ok("GET", f"/conversations/{conversation}")
    assert before["title"] == QUESTION
    assert await titled_by(conversation) == TitledBy.FIRST_WORDS

    gate.set()
    await titles_at_rest()

    after = await ann.ok("GET", f"/conversations/{conversation}")
    assert after == before | {"title": "Blue Sky Scattering"}, "nothing else changes, updated_at least of all"
    assert await titled_by(conversation) == TitledBy.MODEL
    asked = namer.asked[0]
    assert asked.options.thinking is False
    assert [message.content for message in asked.messages[:2]] == [QUESTION, ANSWER]


async def test_a_conversation_is_named_once(ann: Person, namer: Namer) -> None:
    conversation = await ann.conversation()
    for _ in range(3):
        await answered(ann, conversation)
        await titles_at_rest()
    assert len(namer.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        saying("I'm here to help with any math or science questions."),
        saying("The sky is blue because", " and so on and on and on and on and on and on"),
        ["Blue Sky", Finished(FinishReason.LENGTH, Usage())],
        [ReasoningDelta("They want a title"), *saying()],
    ],
    ids=["talk", "too long", "cut short", "thought only"],
)
async def test_nonsense_does_not_replace_the_first_words_and_is_not_asked_for_again(
    ann: Person, namer: Namer, reply: list[Step]
) -> None:
    namer.titles = reply
    conversation = await ann.conversation()
    for _ in range(2):
        await answered(ann, conversation)
        await titles_at_rest()
    assert await title_of(ann, conversation) == QUESTION
    assert len(namer.asked) == 1


async def test_a_second_send_ends_the_titles_call_and_the_next_answer_brings_it(ann: Person, namer: Namer) -> None:
    namer.titles = [asyncio.Event()]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    assert namer.provider.answering == 1

    gate = asyncio.Event()
    namer.answers = [gate, *saying(ANSWER)]
    run = await ann.ask(conversation, "And at night?")
    await namer.provider.until(3)
    await titles_at_rest()
    assert namer.provider.answering == 1, "the answer's connection alone"
    assert await title_of(ann, conversation) == QUESTION

    namer.titles = saying("Blue Sky Scattering")
    gate.set()
    await ann.at_rest(run["id"])
    await namer.provider.until(4)
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Blue Sky Scattering"
    assert namer.asked[1].messages[0].content == QUESTION, "named by its first question"


async def test_a_name_that_the_user_gives_meanwhile_stays(ann: Person, namer: Namer) -> None:
    gate = asyncio.Event()
    namer.titles = [gate, *saying("Blue Sky Scattering")]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    await ann.ok("PATCH", f"/conversations/{conversation}", json={"title": "Mine"})
    gate.set()
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Mine"
    assert await titled_by(conversation) == TitledBy.USER


async def test_the_same_words_given_by_the_user_stay_too(ann: Person, namer: Namer) -> None:
    gate = asyncio.Event()
    namer.titles = [gate, *saying("Blue Sky Scattering")]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    await ann.ok("PATCH", f"/conversations/{conversation}", json={"title": QUESTION})
    gate.set()
    await titles_at_rest()
    assert await title_of(ann, conversation) == QUESTION


async def test_a_conversation_that_the_user_named_is_left_alone(ann: Person, namer: Namer) -> None:
    named = await ann.conversation(title="Mine")
    renamed = await ann.conversation()
    await ann.ok("PATCH", f"/conversations/{renamed}", json={"title": "Mine too"})
    for conversation in (named, renamed):
        await answered(ann, conversation)
        await titles_at_rest()
    assert namer.asked == []
    assert [await title_of(ann, named), await title_of(ann, renamed)] == ["Mine", "Mine too"]


async def test_a_name_given_while_the_first_message_is_sent_beats_its_first_words(
    ann: Person, namer: Namer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await ann.conversation()
    add_run = store.add_run

    async def slow(*arguments: Any) -> None:
        await ann.ok("PATCH", f"/conversations/{conversation}", json={"title": "Mine"})
        await add_run(*arguments)

    monkeypatch.setattr(store, "add_run", slow)
    await answered(ann, conversation)
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Mine"
    assert await titled_by(conversation) == TitledBy.USER


async def test_off_means_off(ann: Person, namer: Namer, title_model: TitleModel) -> None:
    title_model("off")
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await titles_at_rest()
    assert namer.asked == []
    assert await title_of(ann, conversation) == QUESTION


async def test_another_model_can_do_the_naming(ann: Person, namer: Namer, title_model: TitleModel) -> None:
    title_model("small/small")
    small = Scripted(saying("Scattering of Blue Sunlight"), name="small")
    with offering(OfferedModel("small/small", "small", "small", default=False, context_window=2048), small):
        conversation = await ann.conversation()
        await answered(ann, conversation)
        await titles_at_rest()
    assert await title_of(ann, conversation) == "Scattering of Blue Sunlight"
    assert (len(small.requests), namer.asked) == (1, [])


@pytest.mark.parametrize("status", ["stopped", "failed"])
async def test_only_a_whole_answer_brings_a_title(ann: Person, namer: Namer, status: str) -> None:
    namer.answers = ["Because", ModelBusy("scripted") if status == "failed" else asyncio.Event()]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, QUESTION)
    await namer.provider.until(1)
    if status == "stopped":
        await ann.ok("POST", f"/runs/{run['id']}/stop")
    assert (await ann.at_rest(run["id"]))["status"] == status
    await titles_at_rest()
    assert namer.asked == []

    namer.answers = saying(ANSWER)
    await answered(ann, conversation, "So why is the sky blue?")
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Blue Sky Scattering"


async def test_a_title_waits_for_the_answers_on_the_same_server(ann: Person, bob: Person, namer: Namer) -> None:
    gate = asyncio.Event()
    namer.answers = ["One", gate, *saying(" two")]
    other = await bob.ask(await bob.conversation(title="His"), "Count.")
    await namer.provider.until(1)
    namer.answers = saying(ANSWER)
    conversation = await ann.conversation()
    await answered(ann, conversation)
    assert len(titling._titles) == 1
    assert namer.asked == []

    gate.set()
    await bob.at_rest(other["id"])
    await namer.provider.until(3)
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Blue Sky Scattering"


async def test_a_title_makes_way_for_an_answer_that_begins_and_comes_later(
    ann: Person, bob: Person, namer: Namer
) -> None:
    namer.titles = [asyncio.Event()]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    gate = asyncio.Event()
    namer.answers = [gate, *saying("one")]
    namer.titles = saying("Blue Sky Scattering")
    other = await bob.ask(await bob.conversation(title="His"), "Count.")
    await namer.provider.until(3)
    assert (namer.provider.answering, len(namer.asked)) == (1, 1)

    gate.set()
    await bob.at_rest(other["id"])
    await namer.provider.until(4)
    await titles_at_rest()
    assert await title_of(ann, conversation) == "Blue Sky Scattering"


async def test_one_title_is_asked_for_at_a_time(ann: Person, bob: Person, namer: Namer) -> None:
    gate = asyncio.Event()
    namer.titles = [gate, *saying("Blue Sky Scattering")]
    conversations = [(ann, await ann.conversation()), (bob, await bob.conversation())]
    for number, (person, conversation) in enumerate(conversations, 1):
        await answered(person, conversation)
        await namer.provider.until(2 * number)  # an answer and a title each
    assert len(titling._titles) == 2
    assert namer.provider.answering == 1
    gate.set()
    await titles_at_rest()
    assert [await title_of(*pair) for pair in conversations] == ["Blue Sky Scattering"] * 2


async def test_a_slow_model_is_given_up(ann: Person, namer: Namer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(titling, "TITLE_LIMIT_S", 0.05)
    namer.titles = [asyncio.Event()]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    await titles_at_rest()
    await namer.provider.until_idle()
    assert await title_of(ann, conversation) == QUESTION


async def test_no_quiet_moment_is_no_title(
    ann: Person, bob: Person, namer: Namer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titling, "PATIENCE_S", 0.05)
    namer.answers = [asyncio.Event()]
    await bob.ask(await bob.conversation(title="His"), "Count.")
    await namer.provider.until(1)
    namer.answers = saying(ANSWER)
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await titles_at_rest()
    assert namer.asked == []
    assert await title_of(ann, conversation) == QUESTION


@pytest.mark.parametrize("failure", [ModelBusy("scripted"), RuntimeError("a bug")], ids=["expected", "a bug"])
async def test_a_failure_leaves_the_first_words(ann: Person, namer: Namer, failure: Exception) -> None:
    namer.titles = [failure]
    conversation = await ann.conversation()
    run = await answered(ann, conversation)
    await titles_at_rest()
    assert run["status"] == "complete"
    assert await title_of(ann, conversation) == QUESTION


async def test_a_model_that_is_not_offered_leaves_the_first_words(
    ann: Person, namer: Namer, title_model: TitleModel
) -> None:
    title_model("nowhere/gone")
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await titles_at_rest()
    assert await title_of(ann, conversation) == QUESTION


async def test_the_process_does_not_wait_for_a_title_when_it_goes(ann: Person, namer: Namer) -> None:
    namer.titles = [asyncio.Event()]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    lifecycle.start_draining()
    try:
        async with asyncio.timeout(15):
            await work.drain(within_s=30)
        await namer.provider.until_idle()
    finally:
        lifecycle.open_for_work()
    assert titling._titles == {}


async def test_a_deleted_conversation_is_not_named(ann: Person, namer: Namer) -> None:
    namer.titles = [asyncio.Event()]
    conversation = await ann.conversation()
    await answered(ann, conversation)
    await namer.provider.until(2)
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    await titles_at_rest()
    await namer.provider.until_idle()


async def test_an_old_conversation_keeps_the_title_it_is_known_by(
    ann: Person, namer: Namer, title_model: TitleModel
) -> None:
    title_model("off")
    conversation = await ann.conversation()
    for _ in range(3):
        await answered(ann, conversation)
    title_model("")
    await answered(ann, conversation)
    await titles_at_rest()
    assert namer.asked == []
