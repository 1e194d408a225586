"""Whole stories of `useChat` with the real packages: what the frontend shows is what the database has."""

import asyncio
import itertools
import json
import random
from typing import Any

import pytest

from chat import answering
from chat.consumers import LARGEST_FRAME_CHARS
from inference.errors import ModelBusy
from inference.providers.scripted import saying
from tests.clients.ui.conftest import LanguageModel, Tab, text_of, texts
from tests.people import Person

pytestmark = pytest.mark.clients

as_chat_and_page = pytest.mark.parametrize("hook", [False, True], ids=["Chat", "useChat"])


async def kept(person: Person, chat_id: str) -> list[dict[str, Any]]:
    """The messages that the database has."""
    messages: list[dict[str, Any]] = (await person.ok("GET", f"/ui/chat/{chat_id}"))["messages"]
    return messages


@as_chat_and_page
async def test_what_is_said_and_answered_is_shown_and_kept(
    ann: Person, model: LanguageModel, tab: Tab, hook: bool
) -> None:
    chat = await tab.open(hook=hook)
    first = await chat.send("Hi")
    model.script = saying("Good", "bye")
    second = await chat.send("Bye")
    assert (first["status"], second["status"], second["told"]["errors"]) == ("ready", "ready", [])
    assert texts(second) == ["Hi", "Hello there!", "Bye", "Goodbye"]
    assert second["told"]["finished"] == 2
    messages = await kept(ann, second["id"])
    assert [text_of(message) for message in messages] == texts(second)
    answers = [message for message in second["messages"] if message["role"] == "assistant"]
    assert [answer["id"] for answer in answers] == [messages[1]["id"], messages[3]["id"]]
    assert answers[0]["metadata"]["userMessageId"] == messages[0]["id"]
    assert answers[0]["metadata"]["usage"] == messages[1]["metadata"]["usage"]
    assert [message.content for message in model.provider.requests[-1].messages] == ["Hi", "Hello there!", "Bye"]


async def test_the_title_is_told_and_not_kept_as_a_part(model: LanguageModel, tab: Tab) -> None:
    chat = await (await tab.open()).send("Why is the sky blue?")
    assert {"type": "data-title", "data": {"title": "Why is the sky blue?"}, "transient": True} in chat["told"]["data"]
    assert [part["type"] for part in chat["messages"][1]["parts"]] == ["step-start", "text"]


@as_chat_and_page
async def test_a_reload_in_the_middle_shows_the_whole_answer_once(
    ann: Person, model: LanguageModel, tab: Tab, hook: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "KEEP_EVERY_S", 0.05)
    gate = asyncio.Event()
    first = await tab.open(hook=hook)
    await first.send("Earlier")
    model.script = ["Before ", gate, *saying("after")]
    await first.do("send", text="Hi")
    shown = await first.do("until_text", text="Before ")
    chat_id = shown["id"]
    await first.do("leave")
    # What is saved already must not be shown beside what is replayed.
    while not (await ann.messages(shown["messages"][-1]["metadata"]["conversationId"]))[-1]["parts"]:
        pass
    second = await tab.reload(chat_id, hook=hook)
    await second.do("until_text", text="Before ")
    gate.set()
    chat = await second.do("until_rest")
    assert (chat["status"], chat["told"]["errors"]) == ("ready", [])
    assert texts(chat) == ["Earlier", "Hello there!", "Hi", "Before after"]
    assert [message["id"] for message in chat["messages"]] == [message["id"] for message in await kept(ann, chat_id)]
    assert texts(await second.send("Go on")) == [*texts(chat), "Go on", "Before after"]


@as_chat_and_page
async def test_a_reload_with_nothing_running_shows_what_is_kept(
    ann: Person, model: LanguageModel, tab: Tab, hook: bool
) -> None:
    chat_id = (await (await tab.open()).send("Hi"))["id"]
    reloaded = await tab.reload(chat_id, hook=hook)
    chat = await reloaded.do("until_rest")
    assert (texts(chat), chat["told"]["errors"]) == (["Hi", "Hello there!"], [])


async def test_a_new_chat_that_resumes_finds_nothing(model: LanguageModel, tab: Tab) -> None:
    chat = await tab.open(resume=True)
    if tab.frontend.version == "5":
        pytest.skip("5.0.0 waits for ever where nothing runs: a page resumes when `active_run_id` says so")
    seen = await chat.do("until_rest")
    assert (seen["status"], seen["told"]["errors"]) == ("ready", [])
    assert texts(await chat.send("Hi")) == ["Hi", "Hello there!"]


async def test_many_tabs_that_resume_at_once_show_the_same(ann: Person, model: LanguageModel, tab: Tab) -> None:
    gate = asyncio.Event()
    model.script = ["Before ", gate, *saying(*["after "] * 100)]
    first = await tab.open()
    await first.do("send", text="Hi")
    chat_id = (await first.do("until_text", text="Before "))["id"]
    others = [await tab.reload(chat_id) for _ in range(20)]
    await asyncio.gather(*(other.do("until_text", text="Before ") for other in others))
    gate.set()
    shown = await asyncio.gather(*(chat.do("until_rest") for chat in [first, *others]))
    assert {tuple(texts(chat)) for chat in shown} == {("Hi", "Before " + "after " * 100)}


@as_chat_and_page
async def test_a_stop_ends_the_answer_and_keeps_what_was_written(
    ann: Person, model: LanguageModel, tab: Tab, hook: bool
) -> None:
    model.script = ["Some", asyncio.Event()]
    chat = await tab.open(hook=hook)
    await chat.do("send", text="Talk")
    chat_id = (await chat.do("until_text", text="Some"))["id"]
    await chat.do("stop")
    if tab.frontend.transport == "http":
        await ann.ok("POST", f"/ui/chat/{chat_id}/stop")
    await model.provider.until_idle()
    shown = await chat.do("until_rest")
    assert (texts(shown), shown["told"]["errors"]) == (["Talk", "Some"], [])
    model.script = saying("More")
    assert texts(await chat.send("Go on")) == ["Talk", "Some", "Go on", "More"]
    messages = await kept(ann, chat_id)
    assert [text_of(message) for message in messages] == ["Talk", "Some", "Go on", "More"]
    assert messages[1]["metadata"]["status"] == "stopped"


async def test_closing_the_page_stops_nothing(ann: Person, model: LanguageModel, tab: Tab) -> None:
    gate = asyncio.Event()
    model.script = ["One", gate, *saying(" two")]
    chat = await tab.open()
    await chat.do("send", text="Count")
    shown = await chat.do("until_text", text="One")
    run_id = shown["messages"][-1]["metadata"]["runId"]
    await chat.do("leave")
    gate.set()
    assert (await ann.at_rest(run_id))["status"] == "complete"
    assert text_of((await kept(ann, shown["id"]))[-1]) == "One two"


async def test_leaving_the_page_stops_nothing_when_the_chat_is_kept(
    ann: Person, model: LanguageModel, tab: Tab
) -> None:
    gate = asyncio.Event()
    model.script = ["One", gate, *saying(" two")]
    chat = await tab.open(hook="kept")
    await chat.do("send", text="Count")
    shown = await chat.do("until_text", text="One")
    await chat.do("unmount")
    # Were it stopped, this would come behind the stop, over the same connection.
    next_page = await tab.open(beside=chat.handle)
    await next_page.do("resume")
    await next_page.do("until_rest" if tab.frontend.version != "5" else "seen")
    gate.set()
    run_id = shown["messages"][-1]["metadata"]["runId"]
    assert (await ann.at_rest(run_id))["status"] == "complete"


@as_chat_and_page
@pytest.mark.parametrize("by_id", [False, True], ids=["the last", "by id"])
async def test_another_answer_takes_the_place_of_the_first(
    ann: Person, model: LanguageModel, tab: Tab, by_id: bool, hook: bool
) -> None:
    chat = await tab.open(hook=hook)
    await chat.send("One")
    first = await chat.send("Two")
    model.script = saying("Another")
    await chat.do("regenerate", messageId=first["messages"][-1]["id"] if by_id else None)
    shown = await chat.do("until_rest")
    assert texts(shown) == ["One", "Hello there!", "Two", "Another"]
    assert [text_of(message) for message in await kept(ann, shown["id"])] == texts(shown)
    assert [message.content for message in model.provider.requests[-1].messages] == ["One", "Hello there!", "Two"]
    model.script = saying("Next")
    assert texts(await chat.send("Three"))[-2:] == ["Three", "Next"]


@as_chat_and_page
async def test_an_edit_takes_the_place_of_what_was_said(
    ann: Person, model: LanguageModel, tab: Tab, hook: bool
) -> None:
    chat = await tab.open(hook=hook)
    first = await chat.send("One")
    await chat.send("Two")
    for wording in ("One, better", "One, best"):
        model.script = saying(f"To {wording}")
        await chat.do("send", text=wording, messageId=first["messages"][0]["id"])
        shown = await chat.do("until_rest")
        assert texts(shown) == [wording, f"To {wording}"]
        assert [text_of(message) for message in await kept(ann, shown["id"])] == texts(shown)
    model.script = saying("Anew")
    await chat.do("regenerate")
    await chat.do("until_rest")
    assert [message.content for message in model.provider.requests[-1].messages] == ["One, best"]


async def test_an_edit_after_a_reload_takes_the_place_of_what_was_said(
    ann: Person, model: LanguageModel, tab: Tab
) -> None:
    chat_id = (await (await tab.open()).send("One"))["id"]
    chat = await tab.reload(chat_id)
    shown = await chat.do("until_rest")
    model.script = saying("Better")
    await chat.do("send", text="One, better", messageId=shown["messages"][0]["id"])
    await chat.do("until_rest")
    model.script = saying("Anew")
    await chat.do("regenerate")
    await chat.do("until_rest")
    assert [text_of(message) for message in await kept(ann, chat_id)] == ["One, better", "Anew"]


async def test_an_app_may_send_the_last_message_alone(ann: Person, model: LanguageModel, tab: Tab) -> None:
    chat = await tab.open(whole=False)
    await chat.send("One")
    shown = await chat.send("Two")
    model.script = saying("Another")
    await chat.do("regenerate")
    shown = await chat.do("until_rest")
    model.script = saying("Edited")
    await chat.do("send", text="Two, better", messageId=shown["messages"][2]["id"])
    shown = await chat.do("until_rest")
    assert texts(shown) == ["One", "Hello there!", "Two, better", "Edited"]
    assert [text_of(message) for message in await kept(ann, shown["id"])] == texts(shown)


@as_chat_and_page
@pytest.mark.parametrize("words", ["", "Half of"], ids=["before the first token", "after it"])
async def test_a_model_that_fails_is_told_and_may_be_asked_again(
    ann: Person, model: LanguageModel, tab: Tab, words: str, hook: bool
) -> None:
    model.script = [*([words] if words else []), ModelBusy("scripted")]
    chat = await tab.open(hook=hook)
    shown = await chat.send("Hi")
    sentence = "scripted is busy. Try again in 5 s."
    assert (shown["status"], shown["error"], shown["told"]["errors"]) == ("error", sentence, [sentence])
    assert texts(shown) == ["Hi", words]
    model.script = saying("Whole")
    await chat.do("regenerate")
    shown = await chat.do("until_rest")
    assert texts(shown) == ["Hi", "Whole"]
    assert [text_of(message) for message in await kept(ann, shown["id"])] == ["Hi", "Whole"]


async def test_a_refusal_is_told_with_its_sentence_and_what_was_said_is_sent_by_a_retry(
    ann: Person, model: LanguageModel, tab: Tab
) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    first = await tab.open()
    await first.do("send", text="Hi")
    chat_id = (await first.do("until_text", text="x"))["id"]
    second = await tab.open(chat_id)
    shown = await second.send("Me too")
    sentence = "An answer is still being written here. Wait for it or stop it."
    told = shown["error"] if tab.frontend.transport == "websocket" else json.loads(shown["error"])["detail"]
    assert (shown["status"], told) == ("error", sentence)
    gate.set()
    await first.do("until_rest")
    model.script = saying("Now")
    await second.do("regenerate")
    await second.do("until_rest")
    assert [text_of(message) for message in await kept(ann, chat_id)] == ["Hi", "xy", "Me too", "Now"]


async def test_many_chats_of_one_frontend_do_not_mix(ann: Person, model: LanguageModel, tab: Tab) -> None:
    chats = [await tab.open() for _ in range(8)]
    shown = await asyncio.gather(*(chat.send(f"Hi {number}") for number, chat in enumerate(chats)))
    assert [texts(chat) for chat in shown] == [[f"Hi {number}", "Hello there!"] for number in range(8)]


# What breaks readers that split, normalise, trim, escape or count in the wrong units.
ODDITIES = [
    "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽",  # joined, flags, skin tones
    "e\u0301 é a\u0308ö Å\u212b ﬁ",  # composed or not: kept as they came
    "שלום עולם مرحبا \u202eevil\u202c \u2067x\u2069",  # right to left, and marks that turn it round
    "\U00020000𝕳\U0001f9ff\U0010fffd",  # beyond the first plane
    "\u0001\u0008\u000b\u001b[31m\u007f\u0085\u2028\u2029\ufeff\ufffe",  # controls and line ends of all kinds
    "\r\n\n\r\t \u00a0\u200b\u3000",
    'data: [DONE]\n\ndata: {"type":"finish"}\n\nid: 7\n: comment\n\n',  # what frames are made of
    '"\\\\" \\u0000 \\ud83d </script><!-- ]]> ${x} %s {{y}}',
    "ทดสอบ नमस्ते क्षि 한글 ｆｕｌｌ 文字化け",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "\0nul\0",
]


@pytest.mark.parametrize("seed", range(3))
async def test_a_storm_of_odd_characters_arrives_as_it_was_sent(
    ann: Person, model: LanguageModel, tab: Tab, seed: int
) -> None:
    chance = random.Random(seed)
    storm = "".join(chance.choices(ODDITIES, k=200))
    cuts = [0, *sorted(chance.sample(range(1, len(storm)), 400)), len(storm)]
    model.script = saying(*(storm[start:end] for start, end in itertools.pairwise(cuts)))
    question = "".join(chance.sample(ODDITIES, len(ODDITIES)))
    chat = await tab.open()
    shown = await chat.send(question)
    assert shown["told"]["errors"] == []
    assert texts(shown) == [question, storm]
    assert [text_of(message) for message in await kept(ann, shown["id"])] == [question, storm]
    assert model.provider.requests[0].messages[-1].content == question
    reloaded = await (await tab.reload(shown["id"])).do("until_rest")
    assert texts(reloaded) == [question, storm]


async def test_a_history_above_every_frames_size_can_be_gone_on_from(
    ann: Person, model: LanguageModel, tab: Tab
) -> None:
    chat = await tab.open()
    model.script = saying(*["long answer " * 250] * 80)
    await chat.send("x" * 30_000)
    await chat.send("y" * 30_000)
    model.script = saying("Short")
    shown = await chat.send("Last")
    assert sum(map(len, texts(shown))) > 2 * LARGEST_FRAME_CHARS
    assert (texts(shown)[-1], shown["told"]["errors"]) == ("Short", [])
