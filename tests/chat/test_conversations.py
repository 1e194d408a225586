"""Conversations and their messages over HTTP."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from chat import store
from eloquent.foundation import cursors
from eloquent.foundation.database import database
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.people import Person


async def listed(person: Person, **query: object) -> list[str]:
    """Every title of the list, page by page."""
    titles: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **query, **({"cursor": cursor} if cursor else {})}
        page = await person.ok("GET", "/conversations", params=params)
        assert len(page["items"]) <= 2
        titles += [item["title"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return titles


async def test_a_conversation_is_created_read_and_changed(ann: Person) -> None:
    created = await ann.ok("POST", "/conversations", 201, json={"title": " Plans "})
    assert created["title"] == "Plans"
    assert (created["leaf_id"], created["message_count"], created["pinned"]) == (None, 0, False)
    path = f"/conversations/{created['id']}"
    assert await ann.ok("GET", path) == created
    changes = {"title": "New plans", "pinned": True, "archived": True, "system_prompt": "Be kind.", "model": "a/b"}
    changed = await ann.ok("PATCH", path, json=changes)
    assert changed == created | changes
    assert await ann.ok("GET", path) == changed
    assert await ann.ok("PATCH", path, json={}) == changed


async def test_a_list_is_ordered_paged_and_complete(ann: Person, bob: Person) -> None:
    await bob.conversation(title="Bob's")
    ids = [await ann.conversation(title=f"c{number}") for number in range(5)]
    await ann.ok("PATCH", f"/conversations/{ids[1]}", json={"pinned": True})
    await ann.ok("PATCH", f"/conversations/{ids[3]}", json={"pinned": True})
    await ann.ok("PATCH", f"/conversations/{ids[0]}", json={"archived": True})
    assert await listed(ann) == ["c3", "c1", "c4", "c2"]
    assert await listed(ann, archived=True) == ["c0"]


async def test_a_page_boundary_in_one_millisecond_loses_nothing(ann: Person) -> None:
    made = await asyncio.gather(*(ann.conversation(title=f"c{number}") for number in range(7)))
    assert len(made) == 7
    titles = await listed(ann)
    assert sorted(titles) == [f"c{number}" for number in range(7)]


async def test_an_answered_conversation_comes_first(ann: Person, model: LanguageModel) -> None:
    first, _ = await ann.conversation(title="first"), await ann.conversation(title="second")
    assert await listed(ann) == ["second", "first"]
    await ann.at_rest((await ann.ask(first, "Hi"))["id"])
    assert await listed(ann) == ["first", "second"]


async def test_messages_are_read_in_windows_from_the_newest(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    for number in range(4):
        model.script = saying(f"a{number}")
        await ann.at_rest((await ann.ask(conversation, f"q{number}"))["id"])
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = await ann.ok("GET", f"/conversations/{conversation}/messages", params=params)
        seen = [message["parts"][0]["text"] for message in page["items"]] + seen
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["q0", "a0", "q1", "a1", "q2", "a2", "q3", "a3"]


async def test_a_long_branch_is_found_among_many_siblings(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "root")
    await ann.at_rest(run["id"])
    for number in range(6):
        await ann.at_rest((await ann.ask(conversation, f"branch {number}", parent_id=run["message_id"]))["id"])
    page = await ann.ok("GET", f"/conversations/{conversation}/messages", params={"limit": 4})
    texts = [message["parts"][0]["text"] for message in page["items"]]
    assert texts == ["root", "Hello there!", "branch 5", "Hello there!"]
    assert page["next_cursor"] is None


async def test_an_answer_in_the_making_is_marked(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = [gate, *saying("x")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    answer = (await ann.messages(conversation))[-1]
    assert (answer["status"], answer["run_id"]) == ("streaming", run["id"])
    gate.set()
    await ann.at_rest(run["id"])


@pytest.mark.parametrize("breaks_at", [1, 2, 3, 4, 5])
async def test_a_deletion_that_breaks_off_leaves_nothing_that_cannot_be_deleted(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, breaks_at: int
) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    sent = 0

    def breaking(delete: Any) -> Any:
        async def sending(collection: AsyncCollection[Any], criteria: dict[str, Any]) -> Any:
            nonlocal sent
            sent += 1
            if sent == breaks_at:
                raise AutoReconnect("The server has gone.")
            return await delete(collection, criteria)

        return sending

    with monkeypatch.context() as patch:
        for name in ("delete_one", "delete_many"):
            patch.setattr(AsyncCollection, name, breaking(getattr(AsyncCollection, name)))
        await ann.ok("DELETE", f"/conversations/{conversation}", 503)
    below = {"conversation_id": ObjectId(conversation)}
    left = [await database()[name].count_documents(below) for name in ("messages", "runs")]
    if await listed(ann):
        await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    else:
        assert left == [0, 0]


async def test_a_deleted_conversation_is_gone_with_its_messages_and_runs(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    for path in (f"/conversations/{conversation}", f"/conversations/{conversation}/messages", f"/runs/{run['id']}"):
        assert (await ann.ok("GET", path, 404))["code"] == "not_found"
    await ann.ok("DELETE", f"/conversations/{conversation}", 404)
    assert await listed(ann) == []


async def test_deleting_stops_an_answer_in_the_making(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At once, and not because the next saving of progress finds the run gone.
    monkeypatch.setattr("chat.answering.KEEP_EVERY_S", 3600)
    model.script = ["x", asyncio.Event()]
    conversation = await ann.conversation()
    await ann.ask(conversation, "Hi")
    await model.provider.until(1)
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    await model.provider.until_idle()
    assert await database()["messages"].count_documents({}) == 0


@pytest.mark.parametrize(
    "cursor",
    ["x", "W10", "WzEsMiwzXQ", "", "é", "A" * 501, "W3RydWUsMWUzMDAsIngiXQ", "W3RydWUsLTEsIng" + "iXQ"],
)
@pytest.mark.parametrize("path", ["/conversations", "/conversations/{id}/messages"])
async def test_a_made_up_cursor_is_refused(ann: Person, path: str, cursor: str) -> None:
    path = path.format(id=await ann.conversation())
    await ann.ok("GET", path)
    if cursor:
        problem = await ann.ok("GET", path, 422, params={"cursor": cursor})
        assert problem["code"] == "invalid_input"


@pytest.mark.parametrize("updated_ms", [-1, 10**17, 2**62])
async def test_a_cursor_with_an_impossible_time_is_refused(ann: Person, updated_ms: int) -> None:
    cursor = cursors.encode([False, updated_ms, str(ObjectId())])
    problem = await ann.ok("GET", "/conversations", 422, params={"cursor": cursor})
    assert problem["code"] == "invalid_input"
    await ann.ok("GET", "/conversations", params={"cursor": cursors.encode([False, 10**12, str(ObjectId())])})


async def test_a_cursor_of_another_users_message_shows_nothing_of_it(
    ann: Person, bob: Person, model: LanguageModel
) -> None:
    theirs = await bob.conversation()
    for number in range(2):
        await bob.at_rest((await bob.ask(theirs, f"secret {number}"))["id"])
    page = await bob.ok("GET", f"/conversations/{theirs}/messages", params={"limit": 1})
    mine = await ann.conversation()
    await ann.at_rest((await ann.ask(mine, "Hi"))["id"])
    stolen = await ann.ok("GET", f"/conversations/{mine}/messages", params={"cursor": page["next_cursor"]})
    assert stolen == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("nothing", ["f" * 24, "0" * 24])
async def test_a_cursor_that_names_no_message_ends_the_list(ann: Person, model: LanguageModel, nothing: str) -> None:
    """Also where the page is full of others."""
    conversation = await ann.conversation()
    await ann.at_rest((await ann.ask(conversation, "Hi"))["id"])
    params = {"limit": 1, "cursor": cursors.encode([nothing])}
    async with asyncio.timeout(20):
        page = await ann.ok("GET", f"/conversations/{conversation}/messages", params=params)
    assert page == {"items": [], "next_cursor": None}


async def test_a_branch_is_read_for_its_owner_alone(ann: Person, bob: Person, model: LanguageModel) -> None:
    """The edge asks for the conversation first; the store does not rely on it."""
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    conversation, leaf = ObjectId(run["conversation_id"]), ObjectId(run["message_id"])
    owners = [ObjectId(person.tokens["user"]["id"]) for person in (ann, bob)]
    read = [await store.branch_ending_at(owner, conversation, leaf, limit=10) for owner in owners]
    assert [len(branch) for branch in read] == [2, 0]


@pytest.mark.parametrize(
    "body",
    [{"title": ""}, {"title": "x" * 201}, {"pinned": "maybe"}, {"leaf_id": "0" * 24}, {"title": None}, [], "x"],
    ids=lambda body: str(body)[:30],
)
async def test_a_change_that_is_none_is_refused(ann: Person, body: object) -> None:
    conversation = await ann.conversation()
    before = await ann.ok("GET", f"/conversations/{conversation}")
    assert (await ann.ok("PATCH", f"/conversations/{conversation}", 422, json=body))["code"] == "invalid_input"
    assert await ann.ok("GET", f"/conversations/{conversation}") == before


async def test_an_id_of_nothing_is_not_found_and_a_malformed_one_is_invalid(ann: Person) -> None:
    assert (await ann.ok("GET", f"/conversations/{ObjectId()}", 404))["detail"]
    assert (await ann.ok("GET", "/conversations/not-an-id", 422))["code"] == "invalid_input"
