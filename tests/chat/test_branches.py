"""Branches over HTTP: messages worded anew, other answers, siblings, the branch shown; and opinions of answers."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from chat import branches
from eloquent.foundation.database import database
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.chat.ui_stream import UIStream
from tests.people import Person

NOWHERE = "0" * 24
STREAM = {"Accept": "text/event-stream"}


def body_of(text: str, **fields: Any) -> dict[str, Any]:
    """The body of an edit or a send."""
    return {"parts": [{"type": "text", "text": text}], **fields}


async def said(person: Person, conversation: str) -> list[str]:
    """The texts of the branch shown."""
    return ["".join(part["text"] for part in message["parts"]) for message in await person.messages(conversation)]


async def asked(person: Person, model: LanguageModel, conversation: str, text: str, answer: str) -> dict[str, Any]:
    """A run at rest that answered the text so, at the end of the branch shown."""
    model.script = saying(answer)
    run: dict[str, Any] = await person.at_rest((await person.ask(conversation, text))["id"])
    return run


async def siblings(person: Person, message: str) -> list[dict[str, Any]]:
    """All that stand beside the message, it among them."""
    page = await person.ok("GET", f"/messages/{message}/siblings")
    items: list[dict[str, Any]] = page["items"]
    return items


async def test_an_edited_message_becomes_a_sibling_and_the_branch_shown(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    second = await asked(ann, model, conversation, "Two", "2")
    model.script = saying("3")
    edit = await ann.ok("POST", f"/messages/{second['user_message_id']}/edit", 202, json=body_of("Three"))
    await ann.at_rest(edit["id"])
    assert await said(ann, conversation) == ["One", "1", "Three", "3"]
    assert [message.content for message in model.provider.requests[-1].messages] == ["One", "1", "Three"]
    beside = await siblings(ann, edit["user_message_id"])
    assert [(item["id"], item["shown"]) for item in beside] == [
        (second["user_message_id"], False),
        (edit["user_message_id"], True),
    ]
    assert {item["role"] for item in beside} == {"user"}
    assert [item["id"] for item in await siblings(ann, first["message_id"])] == [first["message_id"]]


async def test_the_first_message_can_be_edited(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    edit = await ann.ok("POST", f"/messages/{first['user_message_id']}/edit", 202, json=body_of("Uno"))
    await ann.at_rest(edit["id"])
    assert await said(ann, conversation) == ["Uno", "1"]
    assert len(await siblings(ann, first["user_message_id"])) == 2


async def test_another_answer_stands_beside_the_first_with_its_own_model_and_options(
    ann: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    model.script = saying("uno")
    body = {"model": "scripted/scripted", "options": {"temperature": 0.7}}
    again = await ann.ok("POST", f"/messages/{first['message_id']}/regenerate", 202, json=body)
    await ann.at_rest(again["id"])
    assert again["user_message_id"] == first["user_message_id"]
    assert await said(ann, conversation) == ["One", "uno"]
    assert model.provider.requests[-1].options.temperature == 0.7
    beside = await siblings(ann, first["message_id"])
    assert [(item["role"], item["status"], item["model"], item["shown"]) for item in beside] == [
        ("assistant", "complete", "scripted/scripted", False),
        ("assistant", "complete", "scripted/scripted", True),
    ]
    assert beside[0]["created_at"] <= beside[1]["created_at"]
    assert (await ann.ok("GET", f"/conversations/{conversation}"))["message_count"] == 3


@pytest.mark.parametrize("way", ["edit", "regenerate"])
async def test_an_edit_and_another_answer_stream_when_that_is_wanted(
    ann: Person, model: LanguageModel, way: str
) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    message, body = {
        "edit": (first["user_message_id"], body_of("Uno")),
        "regenerate": (first["message_id"], {}),
    }[way]
    model.script = saying("anew")
    stream = UIStream()
    async with ann.events(f"/messages/{message}/{way}", method="POST", json=body, headers=STREAM) as events:
        async for _, chunk in events:
            stream.feed(chunk)
    assert stream.text == "anew"
    assert (await ann.messages(conversation))[-1]["id"] == stream.message_id


@pytest.mark.parametrize("way", ["edit", "regenerate"])
async def test_a_repeated_key_returns_the_first_run(ann: Person, model: LanguageModel, way: str) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    message, body = {
        "edit": (first["user_message_id"], body_of("Uno", on_busy="sibling")),
        "regenerate": (first["message_id"], {"on_busy": "sibling"}),
    }[way]
    key = {"Idempotency-Key": "once"}
    made = await asyncio.gather(
        *(ann.ok("POST", f"/messages/{message}/{way}", 202, json=body, headers=key) for _ in range(6))
    )
    assert len({run["id"] for run in made}) == 1
    await ann.at_rest(made[0]["id"])
    assert len(await siblings(ann, message)) == 2


async def test_only_ones_own_message_is_edited_and_only_an_answer_made_anew_or_judged(
    ann: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation()
    run = await asked(ann, model, conversation, "One", "1")
    question, answer = f"/messages/{run['user_message_id']}", f"/messages/{run['message_id']}"
    assert (await ann.ok("POST", f"{answer}/edit", 422, json=body_of("x")))["code"] == "not_a_question"
    assert (await ann.ok("POST", f"{question}/regenerate", 422, json={}))["code"] == "not_an_answer"
    assert (await ann.ok("PUT", f"{question}/feedback", 422, json={"rating": "up"}))["code"] == "not_an_answer"
    assert (await ann.ok("POST", f"{question}/edit", 422, json=body_of("  ")))["code"] == "invalid_input"
    assert (await ann.ok("POST", f"{question}/edit", 422, json=body_of("x", on_busy="x")))["code"] == "invalid_input"
    assert len(await ann.messages(conversation)) == 2


async def test_of_a_deleted_conversation_no_message_is_left_to_go_on_from(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await asked(ann, model, conversation, "One", "1")
    left_by_a_crash = await database()["messages"].find_one({"_id": ObjectId(run["message_id"])})
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    await database()["messages"].insert_one(left_by_a_crash)
    path = f"/messages/{run['message_id']}"
    for method, way, body in (("POST", "regenerate", {}), ("POST", "show", None), ("GET", "siblings", None)):
        assert (await ann.ok(method, f"{path}/{way}", 404, json=body))["code"] == "not_found"


async def test_showing_a_message_shows_the_newest_branch_through_it(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    await asked(ann, model, conversation, "Two", "2")
    other = await ann.ok("POST", f"/messages/{first['user_message_id']}/edit", 202, json=body_of("Uno"))
    await ann.at_rest(other["id"])
    assert await said(ann, conversation) == ["Uno", "2"]
    before = await ann.ok("GET", f"/conversations/{conversation}")
    shown = await ann.ok("POST", f"/messages/{first['user_message_id']}/show")
    assert await said(ann, conversation) == ["One", "1", "Two", "2"]
    assert shown == before | {"leaf_id": (await ann.messages(conversation))[-1]["id"]}
    assert await ann.ok("POST", f"/messages/{first['user_message_id']}/show") == shown
    beside = await siblings(ann, other["user_message_id"])
    assert [item["shown"] for item in beside] == [True, False]


async def test_a_window_of_a_branch_shown_holds_nothing_of_newer_ones(ann: Person, model: LanguageModel) -> None:
    """The newest messages are read along with the conversation; here they are another branch's."""
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    other = await ann.ok("POST", f"/messages/{first['user_message_id']}/edit", 202, json=body_of("Uno"))
    await ann.at_rest(other["id"])
    await ann.ok("POST", f"/messages/{first['user_message_id']}/show")
    path = f"/conversations/{conversation}/messages"
    for limit in (1, 2, 3):
        page = await ann.ok("GET", path, params={"limit": limit})
        assert [message["parts"][0]["text"] for message in page["items"]] == ["One", "1"][-limit:]
        assert (page["next_cursor"] is None) == (limit > 1)


async def test_after_a_choice_of_branch_the_next_message_goes_on_from_it(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    model.script = saying("uno")
    await ann.at_rest((await ann.ok("POST", f"/messages/{first['message_id']}/regenerate", 202, json={}))["id"])
    await ann.ok("POST", f"/messages/{first['message_id']}/show")
    await asked(ann, model, conversation, "Two", "2")
    assert await said(ann, conversation) == ["One", "1", "Two", "2"]


async def test_siblings_are_paged_in_the_order_in_which_they_were_made(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    answers = [first["message_id"]]
    for _ in range(4):
        run = await ann.ok("POST", f"/messages/{first['message_id']}/regenerate", 202, json={})
        answers.append((await ann.at_rest(run["id"]))["message_id"])
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = await ann.ok("GET", f"/messages/{answers[2]}/siblings", params=params)
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == answers
    refused = await ann.ok("GET", f"/messages/{answers[2]}/siblings", 422, params={"cursor": "W10"})
    assert refused["code"] == "invalid_input"


async def test_a_window_says_where_each_message_stands_when_it_is_asked(
    ann: Person, bob: Person, model: LanguageModel
) -> None:
    await asked(bob, model, await bob.conversation(), "Beside", "the others")
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    answers = [first["message_id"]]
    for _ in range(2):
        run = await ann.ok("POST", f"/messages/{first['message_id']}/regenerate", 202, json={})
        answers.append((await ann.at_rest(run["id"]))["message_id"])
    await ann.ok("POST", f"/messages/{answers[1]}/show")
    assert [message["siblings"] for message in await ann.messages(conversation)] == [None, None]
    page = await ann.ok("GET", f"/conversations/{conversation}/messages", params={"siblings": "true"})
    assert [message["siblings"] for message in page["items"]] == [
        {"count": 1, "index": 0, "previous_id": None, "next_id": None},
        {"count": 3, "index": 1, "previous_id": answers[0], "next_id": answers[2]},
    ]
    empty = await ann.conversation()
    assert (await ann.ok("GET", f"/conversations/{empty}/messages", params={"siblings": "true"}))["items"] == []


@pytest.mark.parametrize("named", [False, True], ids=["the branch shown", "the answer named"])
async def test_two_tabs_that_want_siblings_lose_no_message(ann: Person, model: LanguageModel, named: bool) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    place = {"parent_id": first["message_id"]} if named else {}
    made = await asyncio.gather(
        *(ann.ask(conversation, f"tab {number}", on_busy="sibling", **place) for number in range(4))
    )
    beside = await siblings(ann, made[0]["user_message_id"])
    assert {item["id"] for item in beside} == {run["user_message_id"] for run in made}
    shown = (await ann.messages(conversation))[-1]["id"]
    gate.set()
    for run in made:
        assert (await ann.at_rest(run["id"]))["status"] == "complete"
    assert (await ann.messages(conversation))[-1]["id"] == shown
    for number, run in enumerate(made):
        await ann.ok("POST", f"/messages/{run['user_message_id']}/show")
        assert await said(ann, conversation) == ["One", "1", f"tab {number}", "xy"]
    assert (await ann.ok("GET", f"/conversations/{conversation}"))["message_count"] == 10


async def test_where_both_are_wanted_at_once_no_sibling_is_lost_and_no_conflict_is_let_through(
    ann: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    path, place = f"/conversations/{conversation}/runs", first["message_id"]
    wishes = ["conflict", "sibling"] * 4
    answers = await asyncio.gather(
        *(ann.http.post(path, json=body_of(f"tab {n}", parent_id=place, on_busy=wish)) for n, wish in enumerate(wishes))
    )
    accepted = [wish for wish, answer in zip(wishes, answers, strict=True) if answer.status_code == 202]
    assert accepted.count("sibling") == 4
    assert accepted.count("conflict") <= 1
    made = [answer.json() for answer in answers if answer.status_code == 202]
    assert {answer.json().get("code", "") for answer in answers} == {"", "branch_busy"}
    gate.set()
    for run in made:
        assert (await ann.at_rest(run["id"]))["status"] == "complete"
    beside = await siblings(ann, made[0]["user_message_id"])
    assert {item["id"] for item in beside} == {run["user_message_id"] for run in made}
    assert await database()["messages"].count_documents({"conversation_id": ObjectId(conversation)}) == 2 + 2 * len(
        made
    )


async def test_a_later_sibling_is_the_branch_shown(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    model.script = ["x", asyncio.Event()]
    first = await ann.ask(conversation, "One")
    model.script = saying("2")
    second = await ann.ask(conversation, "Two", on_busy="sibling")
    await ann.at_rest(second["id"])
    assert await said(ann, conversation) == ["Two", "2"]
    await ann.ok("POST", f"/runs/{first['id']}/stop")
    assert await said(ann, conversation) == ["Two", "2"]


async def test_of_two_answers_in_the_making_the_one_on_the_branch_shown_is_resumed(
    ann: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation()
    gate = asyncio.Event()
    model.script = ["one", gate, *saying("!")]
    first = await ann.ask(conversation, "One")
    model.script = ["two", gate, *saying("!")]
    second = await ann.ask(conversation, "Two", on_busy="sibling")
    for run in (first, second, first):
        await ann.ok("POST", f"/messages/{run['user_message_id']}/show")
        async with ann.socket() as socket:
            await socket.send(type="resume", requestId="r", id=conversation)
            assert await socket.frame() == {"type": "start", "requestId": "r"}
            started = (await socket.frame())["chunk"]
            assert started["messageId"] == run["message_id"]
    gate.set()
    for run in (first, second):
        assert (await ann.at_rest(run["id"]))["status"] == "complete"


async def test_beside_an_answer_in_the_making_another_is_made_and_another_wording_asked(
    ann: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation()
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    first = await ann.ask(conversation, "One")
    answer, question = f"/messages/{first['message_id']}", f"/messages/{first['user_message_id']}"
    for path, body in ((f"{answer}/regenerate", {}), (f"{question}/edit", body_of("Uno"))):
        assert (await ann.ok("POST", path, 409, json=body))["code"] == "branch_busy"
        run = await ann.ok("POST", path, 202, json={**body, "on_busy": "sibling"})
        assert (await ann.messages(conversation))[-1]["id"] == run["message_id"]
    gate.set()
    assert (await ann.at_rest(first["id"]))["status"] == "complete"
    assert len(await siblings(ann, first["message_id"])) == 2
    assert len(await siblings(ann, first["user_message_id"])) == 2


async def test_where_a_conflict_is_wanted_a_sibling_at_work_is_one(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "One", "1")
    place = {"parent_id": first["message_id"]}
    gate, sibling_gate = asyncio.Event(), asyncio.Event()
    model.script = [gate, *saying("2")]
    holder = await ann.ask(conversation, "Two", **place)
    model.script = [sibling_gate, *saying("3")]
    sibling = await ann.ask(conversation, "Three", on_busy="sibling", **place)
    gate.set()
    await ann.at_rest(holder["id"])
    assert (await ann.ask(conversation, "Four", 409, **place))["code"] == "branch_busy"
    edit = f"/messages/{holder['user_message_id']}/edit"
    assert (await ann.ok("POST", edit, 409, json=body_of("Four")))["code"] == "branch_busy"
    regenerate = f"/messages/{holder['message_id']}/regenerate"
    assert (await ann.ok("POST", regenerate, 409, json={}))["code"] == "branch_busy"
    sibling_gate.set()
    await ann.at_rest(sibling["id"])
    model.script = saying("4")
    await ann.at_rest((await ann.ask(conversation, "Four", **place))["id"])


async def test_a_named_answer_in_the_making_is_not_gone_on_from(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    model.script = ["x", asyncio.Event()]
    run = await ann.ask(conversation, "One")
    refused = await ann.ask(conversation, "Two", 409, parent_id=run["message_id"], on_busy="sibling")
    assert refused["code"] == "branch_busy"


@pytest.mark.parametrize("wish", [None, "conflict", "sibling"])
async def test_the_socket_takes_the_same_wish(ann: Person, model: LanguageModel, wish: str | None) -> None:
    conversation = await ann.conversation()
    model.script = ["x", asyncio.Event()]
    await ann.ask(conversation, "One")
    model.script = saying("2")
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Two", body={} if wish is None else {"onBusy": wish})
        if wish == "sibling":
            assert (await socket.read("r1")).text == "2"
            assert await said(ann, conversation) == ["Two", "2"]
        else:
            assert (await socket.frame())["problem"]["code"] == "branch_busy"
            assert (
                await said(ann, conversation) == ["One", "x"]
                or (await ann.messages(conversation))[1]["status"] == "streaming"
            )


@pytest.mark.parametrize("wish", ["", "both", 1, ["sibling"], {}])
async def test_another_wish_is_refused_on_the_socket(ann: Person, model: LanguageModel, wish: object) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi", body={"onBusy": wish})
        assert (await socket.frame())["problem"]["code"] == "invalid_input"
        await socket.ask("r2", conversation, "Hi")
        assert (await socket.read("r2")).text == "Hello there!"


async def test_an_opinion_is_kept_replaced_and_taken_back(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await asked(ann, model, conversation, "One", "1")
    path = f"/messages/{run['message_id']}/feedback"
    assert [message["feedback"] for message in await ann.messages(conversation)] == [None, None]
    rated = await ann.ok("PUT", path, json={"rating": "down", "comment": " Wrong. "})
    assert rated["feedback"] == {"rating": "down", "comment": "Wrong."}
    assert (await ann.messages(conversation))[-1] == rated
    assert (await ann.ok("PUT", path, json={"rating": "up"}))["feedback"] == {"rating": "up", "comment": ""}
    assert (await ann.ok("PUT", path, json={"rating": None}))["feedback"] is None
    assert (await ann.messages(conversation))[-1]["feedback"] is None


async def test_an_opinion_of_an_answer_in_the_making_outlives_its_end(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "One")
    await ann.ok("PUT", f"/messages/{run['message_id']}/feedback", json={"rating": "up"})
    gate.set()
    await ann.at_rest(run["id"])
    answer = (await ann.messages(conversation))[-1]
    assert (answer["feedback"]["rating"], answer["status"]) == ("up", "complete")


@pytest.mark.parametrize(
    "body",
    [{}, {"rating": "best"}, {"rating": "up", "comment": "x" * 2_001}, {"rating": "up", "stars": 5}, {"comment": "x"}],
    ids=lambda body: str(body)[:30],
)
async def test_an_opinion_that_cannot_be_used_is_refused(
    ann: Person, model: LanguageModel, body: dict[str, object]
) -> None:
    run = await asked(ann, model, await ann.conversation(), "One", "1")
    path = f"/messages/{run['message_id']}/feedback"
    assert (await ann.ok("PUT", path, 422, json=body))["code"] == "invalid_input"
    await ann.ok("PUT", path, json={"rating": "up"})


async def test_a_message_of_nobody_is_not_found(ann: Person, model: LanguageModel) -> None:
    for method, way, body in (
        ("POST", "edit", body_of("x")),
        ("POST", "regenerate", {}),
        ("GET", "siblings", None),
        ("POST", "show", None),
        ("PUT", "feedback", {"rating": "up"}),
    ):
        assert (await ann.ok(method, f"/messages/{NOWHERE}/{way}", 404, json=body))["code"] == "not_found"


async def test_a_long_branch_is_shown_down_to_its_leaf(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "HISTORY_MESSAGES", 2)
    conversation = await ann.conversation()
    first = await asked(ann, model, conversation, "0", "a")
    last = [await asked(ann, model, conversation, str(number), "a") for number in range(1, 8)][-1]
    await ann.at_rest((await ann.ok("POST", f"/messages/{first['message_id']}/regenerate", 202, json={}))["id"])
    shown = await ann.ok("POST", f"/messages/{first['message_id']}/show")
    assert shown["leaf_id"] == last["message_id"]
