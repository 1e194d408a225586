"""Conversations from elsewhere."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from chat import store
from chat.exports.file_schemas import FORMAT
from chat.imports import own
from chat.imports.importing import Result, import_conversations, talk_of
from chat.imports.splitting import objects_in
from chat.imports.talks import NotAConversation, imported
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.people import Person

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
OWNER = ObjectId()


def node(key: str, parent: str | None, role: str | None, text: Any = "", **message: Any) -> dict[str, Any]:
    """A node of ChatGPT's mapping."""
    content = text if isinstance(text, dict) else {"content_type": "text", "parts": [text]}
    said = {"id": key, "author": {"role": role}, "content": content, "create_time": 1_700_000_000.5, "recipient": "all"}
    return {"id": key, "parent": parent, "children": [], "message": {**said, **message} if role else None}


def chatgpt(*nodes: dict[str, Any], **about: Any) -> dict[str, Any]:
    """A conversation of ChatGPT's export."""
    conversation = {
        "title": "Of tea",
        "create_time": 1_700_000_000.25,
        "update_time": 1_700_000_100.75,
        "mapping": {each["id"]: each for each in nodes},
        "current_node": nodes[-1]["id"] if nodes else None,
        "conversation_id": "6f0c",
    }
    return {**conversation, **about}


BRANCHED = chatgpt(
    node("root", None, None),
    node("system", "root", "system", ""),
    node("q", "system", "user", "How long?"),
    node("hidden", "q", "user", "secret", metadata={"is_visually_hidden_from_conversation": True}),
    node("call", "hidden", "assistant", {"content_type": "code", "text": "x"}, recipient="python"),
    node("tool", "call", "tool", "output"),
    node("a1", "tool", "assistant", "Three <b>minutes</b>.", metadata={"model_slug": "gpt-4o"}),
    node("a2", "q", "assistant", {"content_type": "code", "text": "brew()"}, create_time=None),
    node("q2", "a1", "user", {"content_type": "multimodal_text", "parts": [{"content_type": "image_pointer"}, "?"]}),
)


def shape(nodes: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Messages as (number of the parent, role, parts, …): what does not depend on ids."""
    numbers: dict[Any, int] = {}
    told = []
    for each in nodes:
        numbers[each.id] = len(numbers)
        parent = None if each.parent_id is None else numbers[each.parent_id]
        told.append((parent, each.role, each.parts, each.status, each.usage, each.feedback, each.created_at))
    return told


async def results(owner: UserId, *values: Any, cut: int = 1000) -> list[Result]:
    raw = orjson.dumps(list(values))
    pieces = [raw[at : at + cut] for at in range(0, len(raw), cut)]
    return [outcome.result async for outcome in import_conversations(owner, pieces, at=AT)]


def test_a_chatgpt_conversation_keeps_its_branches_times_and_texts() -> None:
    conversation, messages = imported(talk_of(orjson.dumps(BRANCHED)), OWNER, at=AT)

    q, a1, q2, a2 = messages
    assert [message.text for message in messages] == [
        "How long?",
        "Three <b>minutes</b>.",
        "[image]\n\n?",
        "```\nbrew()\n```",
    ]
    assert [message.parent_id for message in messages] == [None, q.id, a1.id, q.id]
    assert [message.role.value for message in messages] == ["user", "assistant", "user", "assistant"]
    assert (a1.model, q.model) == ("gpt-4o", "")
    assert a1.created_at == datetime(2023, 11, 14, 22, 13, 20, 500000, tzinfo=UTC)
    assert a2.created_at == q.created_at
    assert (conversation.title, conversation.leaf_id, conversation.message_count) == ("Of tea", q2.id, 4)
    assert conversation.created_at == datetime(2023, 11, 14, 22, 13, 20, 250000, tzinfo=UTC)
    assert conversation.updated_at == datetime(2023, 11, 14, 22, 15, 0, 750000, tzinfo=UTC)
    assert {message.user_id for message in messages} == {OWNER}


@pytest.mark.parametrize(
    "nodes",
    [
        [node("a", "b", "user", "1"), node("b", "c", "user", "2"), node("c", "a", "user", "3")],
        [node("a", "a", "user", "1")],
        [node("a", "nowhere", "user", "1"), node("b", "a", "assistant", "2")],
        [node("x", None, "user", "0"), node("a", "b", None), node("b", "a", "user", "2")],
    ],
    ids=["ring", "own parent", "orphan", "ring with a link"],
)
def test_rings_and_orphans_become_trees(nodes: list[dict[str, Any]]) -> None:
    _, messages = imported(talk_of(orjson.dumps(chatgpt(*nodes))), OWNER, at=AT)
    assert sorted(message.text for message in messages) == sorted(
        each["message"]["content"]["parts"][0] for each in nodes if each["message"]
    )
    seen: set[ObjectId | None] = {None}
    for message in messages:
        assert message.parent_id in seen
        seen.add(message.id)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"mapping": []},
        {"mapping": {}},
        chatgpt(node("a", None, "system", "x")),
        {"format": "eloquent.conversation/2"},
        {"format": FORMAT},
        {"format": FORMAT, "conversation": {"id": 2**70}, "messages": None},
    ],
    ids=["empty", "a list", "no nodes", "only a system's", "another version", "nothing in it", "wrong"],
)
def test_what_is_no_conversation_is_refused_with_a_sentence(value: Any) -> None:
    with pytest.raises(NotAConversation, match=r"^It "):
        imported(talk_of(json.dumps(value).encode()), OWNER, at=AT)


def test_a_conversation_of_too_many_nodes_is_refused_with_a_sentence() -> None:
    value = chatgpt(*(node(str(number), None, "user", "x") for number in range(50_001)))
    with pytest.raises(NotAConversation, match=r"^It "):
        imported(talk_of(json.dumps(value).encode()), OWNER, at=AT)


@pytest.mark.parametrize("raw", [b"{", b'{"mapping": ' + b"[" * 100_000, b'{"mapping": {"a": NaN}}', b"{\xff}"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotAConversation):
        imported(talk_of(raw), OWNER, at=AT)


def test_strange_values_do_no_harm() -> None:
    strange = chatgpt(
        node("a", None, "user", "half \ud83d nul \0 <script>", create_time=1e300),
        node(
            "b", "a", "assistant", {"content_type": "text", "parts": [None, 2**80, {"text": "kept"}]}, create_time="x"
        ),
        node("c", "b", "assistant", {"content_type": "text", "parts": "no list"}, metadata=3, author="x"),
        title="\ud800title",
        create_time=float("-1"),
        update_time=2**70,
        current_node="nowhere",
        conversation_id=5,
    )
    conversation, messages = imported(talk_of(json.dumps(strange).encode()), OWNER, at=AT)
    assert [message.text for message in messages] == ["half \ufffd nul \ufffd <script>", "kept"]
    assert conversation.leaf_id == messages[-1].id
    assert {message.created_at for message in messages} == {AT}
    assert conversation.title == "\ufffdtitle"


def test_what_mongodb_would_not_take_is_left_out_of_our_own_format() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    message = {
        "id": "a" * 24,
        "parent_id": None,
        "role": "assistant",
        "parts": [
            {"type": "text", "text": "kept"},
            {"type": "data-x", "data": 2**63},
            {"type": "data-x", "data": {"a\0b": 1}},
            {"type": "data-x", "data": deep},
            {"type": "text", "text": 5},
            {"kind": "?"},
        ],
        "status": "streaming",
        "model": "m",
        "usage": {"tokens": 2**63},
        "error": None,
        "context": None,
        "feedback": {"rating": "up"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    about = dict.fromkeys(("title", "model", "system_prompt"), "") | dict.fromkeys(("pinned", "archived"), False)
    about |= {"id": "b" * 24, "leaf_id": None} | dict.fromkeys(("created_at", "updated_at"), "0001-01-01T00:00:00")
    file = {"format": FORMAT, "exported_at": "2026-01-01T00:00:00Z", "conversation": about, "messages": [message]}
    conversation, (kept,) = imported(own.talk_of(file), OWNER, at=AT)
    assert kept.parts == [{"type": "text", "text": "kept"}]
    assert (kept.status.value, kept.usage, kept.feedback) == ("interrupted", None, {"rating": "up"})
    assert conversation.created_at == AT


TREES = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["user", "assistant", "tool"]), st.integers(-9, 9)))


@given(TREES)
def test_a_child_sorts_after_its_parent_and_a_repeat_makes_the_same(tree: list[tuple[int, str, int]]) -> None:
    nodes = [
        node(str(number), str(parent) if parent else None, role, f"t{number}", create_time=1.7e9 + seconds)
        for number, (parent, role, seconds) in enumerate(tree, 1)
    ]
    talk = talk_of(orjson.dumps(chatgpt(node("seen", None, "user", "x"), *nodes)))
    made = imported(talk, OWNER, at=AT)
    assert made == imported(talk, OWNER, at=AT)
    assert all(message.parent_id is None or message.parent_id < message.id for message in made[1])
    assert len({message.id for message in made[1]}) == 1 + sum(role != "tool" for _, role, _ in tree)
    others = imported(talk, ObjectId(), at=AT)
    assert not {made[0].id, *(each.id for each in made[1])} & {others[0].id, *(each.id for each in others[1])}


TEXTS = st.text('ab"\\{}[]é')
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=12
)


@given(st.lists(st.dictionaries(TEXTS, VALUES), max_size=4), st.data())
def test_a_list_is_cut_into_its_objects_wherever_its_pieces_end(objects: list[Any], data: st.DataObject) -> None:
    raw = json.dumps(objects, ensure_ascii=False, indent=data.draw(st.sampled_from([None, 1]))).encode()
    cuts = sorted({0, len(raw), *data.draw(st.lists(st.integers(0, len(raw)), max_size=8))})
    found = objects_in(raw[start:end] for start, end in pairwise(cuts))
    assert [json.loads(each or b"") for each in found] == objects


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"a": 1}', [b'{"a": 1}']),
        (b'{"a": 1}\n{"b": [2]}', [b'{"a": 1}', b'{"b": [2]}']),
        (b"[]", []),
        (b"", []),
        (b"3, null ]}", []),
        (b'[{"a": "' + b"x" * 40 + b'"}, {"b": 1}, {"c', [None, b'{"b": 1}', None]),
    ],
)
def test_other_files_are_cut_as_well_as_can_be(raw: bytes, found: list[bytes | None]) -> None:
    assert list(objects_in([raw], longest=20)) == found


async def test_what_was_exported_is_imported_as_it_was_and_only_once(
    ann: Person, bob: Person, model: LanguageModel
) -> None:
    conversation = await ann.conversation(title="Tea", system_prompt="Be brief.")
    first = await ann.ask(conversation, "How?")
    await ann.at_rest(first["id"])
    for number in range(2):
        model.script = saying(f"answer {number}")
        await ann.at_rest((await ann.ask(conversation, f"b{number}", parent_id=first["message_id"]))["id"])
    path = f"/conversations/{conversation}/export"
    file = await ann.ok("GET", path, params={"format": "json"})
    owner = ObjectId(bob.tokens["user"]["id"])

    assert await results(owner, file, file, BRANCHED) == [Result.ADDED, Result.KNOWN, Result.ADDED]
    assert await results(owner, file, BRANCHED, cut=7) == [Result.KNOWN, Result.KNOWN]

    listed = await bob.ok("GET", "/conversations")
    copy = next(item for item in listed["items"] if item["title"] == "Tea")
    assert len(listed["items"]) == 2
    again = await bob.ok("GET", f"/conversations/{copy['id']}/export", params={"format": "json"})
    originals, copies = (own.talk_of(each) for each in (file, again))
    shapes = [shape(imported(talk, OWNER, at=datetime.now(UTC))[1]) for talk in (originals, copies)]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 6
    texts = [
        [part["parts"] for part in await person.messages(talk)]
        for person, talk in ((ann, conversation), (bob, copy["id"]))
    ]
    assert texts[0] == texts[1]
    for name in ("system_prompt", "created_at", "updated_at", "message_count"):
        assert copy[name] == (await ann.ok("GET", f"/conversations/{conversation}"))[name]
    # It goes on like any other.
    await bob.at_rest((await bob.ask(copy["id"], "And then?"))["id"])
    assert [message["parts"][0]["text"] for message in await bob.messages(copy["id"])][-2] == "And then?"


async def test_an_import_that_was_cut_off_shows_nothing_and_is_done_again(
    bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = ObjectId(bob.tokens["user"]["id"])
    conversation, messages = imported(talk_of(orjson.dumps(BRANCHED)), owner, at=AT)
    # The process dies between the messages and the conversation.
    await database()["messages"].insert_many([store.documents.document_of(each) for each in messages[:3]])
    assert (await bob.ok("GET", "/conversations"))["items"] == []
    assert (await bob.ok("GET", "/search", params={"q": "minutes"}))["items"] == []

    assert await results(owner, BRANCHED) == [Result.ADDED]

    assert await database()["messages"].count_documents({}) == len(messages)
    assert (await bob.ok("GET", "/conversations"))["items"][0]["id"] == str(conversation.id)
    assert len((await bob.ok("GET", "/search", params={"q": "minutes"}))["items"]) == 1


async def test_the_command_imports_for_one_user_and_says_what_it_did(
    ann: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "conversations.json"
    path.write_bytes(orjson.dumps([BRANCHED, {"mapping": 3}]))
    command = sync_to_async(call_command)

    await command("import_conversations", str(path), email=ann.email.upper())
    said = capsys.readouterr()
    assert said.out == "Added 1 conversations; 0 were there already, 1 could not be read.\n"
    assert said.err == "Conversation 2: It has no messages that ChatGPT's export would have.\n"
    assert [item["title"] for item in (await ann.ok("GET", "/conversations"))["items"]] == ["Of tea"]
    await command("import_conversations", str(path), email=ann.email)
    assert "Added 0 conversations; 1 were there already" in capsys.readouterr().out

    with pytest.raises(CommandError, match="no user"):
        await command("import_conversations", str(path), email="nobody@example.org")
    with pytest.raises(CommandError, match="not an email"):
        await command("import_conversations", str(path), email="x")
    with pytest.raises(CommandError, match="no file"):
        await command("import_conversations", str(tmp_path / "nothing"), email=ann.email)
