"""What readers see and what is kept when another language model has to answer."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from inference import retries
from inference.catalog import offering
from inference.errors import ModelFailed
from inference.providers.scripted import Scripted, Step, saying
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.chat.ui_stream import UIStream
from tests.people import Person

FIRST = replace(SCRIPTED, id="first/it", name="First", provider="first", default=True, fallbacks=("second/it",))
SECOND = replace(SCRIPTED, id="second/it", name="Second", provider="second", default=False)


@pytest.fixture
def _second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with offering(SECOND, Scripted(saying("Hello", " from the second."), name="second")):
        yield


async def asked(ann: Person, *script: Step, version: int = 6) -> tuple[str, UIStream]:
    """Ask the first model, which plays the script; the conversation, and what a client of the version reads."""
    stream = UIStream(version)
    with ExitStack() as stack:
        stack.enter_context(offering(FIRST, Scripted(script, name="first")))
        conversation = await ann.conversation(model="first/it")
        async with ann.posting(conversation, "Hi", headers={"X-AI-SDK-Version": str(version)}) as events:
            async for _, chunk in events:
                stream.feed(chunk)
    return conversation, stream


def kept_notice(sentence: str) -> dict[str, Any]:
    return {"type": "data-notice", "data": {"code": "model_changed", "detail": sentence}}


def notices(stream: UIStream) -> list[str]:
    return [chunk["data"]["detail"] for chunk in stream.data if chunk["type"] == "data-notice"]


RESTARTED = [
    kept_notice("“First” stopped in the middle; “Second” begins anew."),
    {"type": "text", "text": "Hello from the second."},
]


@pytest.mark.usefixtures("model", "_second")
async def test_who_stands_in_is_told_and_kept(ann: Person) -> None:
    conversation, stream = await asked(ann, ModelFailed("it"))
    assert (stream.text, stream.last and stream.last["type"]) == ("Hello from the second.", "finish")
    assert notices(stream) == ["“First” did not answer; “Second” answers in its place."]
    assert stream.metadata["model"] == "second/it"
    answer = (await ann.messages(conversation))[-1]
    assert (answer["model"], answer["status"]) == ("second/it", "complete")
    assert answer["parts"] == [
        kept_notice("“First” did not answer; “Second” answers in its place."),
        {"type": "text", "text": "Hello from the second."},
    ]
    run = await ann.ok("GET", f"/runs/{answer['run_id']}")
    assert run["model"] == "second/it"


@pytest.mark.usefixtures("model", "_second")
async def test_words_of_a_model_that_broke_are_taken_back_where_the_client_knows_how(ann: Person) -> None:
    conversation, stream = await asked(ann, "So far", ModelFailed("it"), version=7)
    assert notices(stream) == ["“First” stopped in the middle; “Second” begins anew."]
    assert stream.text == "Hello from the second."
    answer = (await ann.messages(conversation))[-1]
    assert answer["parts"] == RESTARTED


@pytest.mark.usefixtures("model", "_second")
async def test_to_older_clients_a_new_step_begins_and_the_kept_answer_is_the_new_one(ann: Person) -> None:
    conversation, stream = await asked(ann, "So far", ModelFailed("it"), version=6)
    assert [part["text"] for part in stream.parts if part["type"] == "text"] == ["So far", "Hello from the second."]
    assert notices(stream) == ["“First” stopped in the middle; “Second” begins anew."]
    answer = (await ann.messages(conversation))[-1]
    assert answer["parts"] == RESTARTED


async def test_without_a_stand_in_the_words_so_far_are_kept(ann: Person, model: LanguageModel) -> None:
    model.script = ["So far", ModelFailed("scripted")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    answer = (await ann.messages(conversation))[-1]
    assert (answer["parts"], answer["status"]) == ([{"type": "text", "text": "So far"}], "failed")
