"""Searching one's own messages."""

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from chat.search import finding
from chat.store.documents import document_of
from chat.types import Conversation, Message, MessageStatus, Role
from eloquent.foundation import cursors
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.people import Person


async def wrote(owner: UserId, *texts: str, title: str = "Notes", role: Role = Role.USER) -> Conversation:
    """A conversation of the owner's with these messages, each a branch of its own."""
    conversation = Conversation(
        id=ObjectId(),
        user_id=owner,
        title=title,
        model="",
        system_prompt="",
        pinned=False,
        archived=False,
        leaf_id=None,
        message_count=len(texts),
        created_at=now(),
        updated_at=now(),
    )
    await database()["conversations"].insert_one(document_of(conversation))
    messages = [
        Message(
            id=ObjectId(),
            conversation_id=conversation.id,
            user_id=owner,
            parent_id=None,
            role=role,
            parts=[{"type": "text", "text": text}],
            text=text,
            status=MessageStatus.COMPLETE,
            created_at=now(),
        )
        for text in texts
    ]
    if messages:
        await database()["messages"].insert_many([document_of(message) for message in messages])
    return conversation


def id_of(person: Person) -> UserId:
    return ObjectId(person.tokens["user"]["id"])


async def search(person: Person, q: str, **query: Any) -> list[dict[str, Any]]:
    """The hits of the first page."""
    page = await person.ok("GET", "/search", params={"q": q, **query})
    items: list[dict[str, Any]] = page["items"]
    return items


async def texts(person: Person, q: str, **query: Any) -> list[str]:
    """The excerpts as one line each."""
    return ["".join(segment["text"] for segment in hit["excerpt"]) for hit in await search(person, q, **query)]


async def test_what_was_asked_and_answered_is_found(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation(title="Of tea")
    model.script = saying("Let it steep ", "for three minutes.")
    run = await ann.ask(conversation, "How long does green tea steep?")
    await ann.at_rest(run["id"])

    asked, answered = sorted(await search(ann, "steep"), key=lambda hit: hit["role"], reverse=True)

    assert (asked["message_id"], answered["message_id"]) == (run["user_message_id"], run["message_id"])
    assert (asked["role"], answered["role"]) == ("user", "assistant")
    assert answered["conversation_id"] == conversation
    assert answered["conversation_title"] == "Of tea"
    assert answered["archived"] is False
    assert answered["excerpt"] == [
        {"text": "Let it ", "match": False},
        {"text": "steep", "match": True},
        {"text": " for three minutes.", "match": False},
    ]
    assert [hit["role"] for hit in await search(ann, "steep", role="assistant")] == ["assistant"]


async def test_an_answer_is_found_once_it_is_at_rest(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["Zebras ", gate, *saying("graze")]
    run = await ann.ask(await ann.conversation(), "Hi")
    await model.provider.until(1)
    assert await search(ann, "zebras") == []
    gate.set()
    await ann.at_rest(run["id"])
    assert [hit["message_id"] for hit in await search(ann, "zebras")] == [run["message_id"]]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("copper", ["Copper and tin make bronze.", "Copper, zinc: brass."]),
        ("copper tin", ["Copper and tin make bronze."]),
        ("TIN   copper", ["Copper and tin make bronze."]),
        ("copper gold", []),
        ("coppe", []),
        ("art", []),
        ('"tin make"', ["Copper and tin make bronze."]),
        ('"make tin"', []),
        ('"copper zinc" brass', ["Copper, zinc: brass."]),
        ('"copper', ["Copper and tin make bronze.", "Copper, zinc: brass."]),
        ("copper -zinc", ["Copper, zinc: brass."]),
        ("$where copper {$gt: zinc} \\", []),
        ("café", ["Un café naïf", "CAFE\u0301 noir"]),
        ("NAIF", ["Un café naïf"]),
        ("cafe noir", ["CAFE\u0301 noir"]),
        ("foo_bar", ["call foo_bar(x)"]),
        ("x", ["call foo_bar(x)"]),
        ("😀", ["so happy😀"]),
        ("happy", ["so happy😀"]),
        ("STRASSE", []),
        ("straße", ["Die Straße"]),
    ],
)
async def test_every_word_must_be_there_and_nothing_else_means_anything(ann: Person, q: str, found: list[str]) -> None:
    await wrote(
        id_of(ann),
        "Copper and tin make bronze.",
        "Copper, zinc: brass.",
        "Un café naïf",
        "CAFE\u0301 noir",
        "We start",
        "call foo_bar(x)",
        "so happy😀",
        "Die Straße",
    )
    assert sorted(await texts(ann, q)) == sorted(found)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("数据库", ["我们的数据库很快"]),
        ("库", ["我们的数据库很快"]),
        ("很快 数据", ["我们的数据库很快"]),
        ("据数", []),
        ("テスト", ["これはテストです"]),
        ("데이터", ["데이터베이스를 쓴다"]),
        ("iphone", ["新しいiPhoneです"]),
        ("ไทย", ["ภาษาไทยง่าย"]),
        ("हिन्दी", ["हिन्दी भाषा"]),
        ("пр", []),
        ("ПРИВЕТ", ["Привет, мир"]),
    ],
)
async def test_other_scripts_are_found_with_and_without_spaces(ann: Person, q: str, found: list[str]) -> None:
    await wrote(
        id_of(ann),
        "我们的数据库很快",
        "数字据点",
        "これはテストです",
        "데이터베이스를 쓴다",
        "新しいiPhoneです",
        "ภาษาไทยง่าย",
        "हिन्दी भाषा",
        "Привет, мир",
    )
    assert await texts(ann, q) == found


@pytest.mark.parametrize("q", ["", " ", "-", '"', '""', "?!…", "\u200b", "'\"-$.", "\n", "\x00"])
async def test_a_query_without_a_word_finds_nothing(ann: Person, q: str) -> None:
    await wrote(id_of(ann), "anything")
    page = await ann.ok("GET", "/search", params={"q": q})
    assert page == {"items": [], "next_cursor": None, "truncated": False}


@pytest.mark.parametrize("q", ["w" * 500, "( " * 250, "[" * 500, "\\" * 500, "数" * 500, "a b " * 125, "e\u0301" * 250])
async def test_a_long_query_is_answered_and_a_longer_one_refused(ann: Person, q: str) -> None:
    await wrote(id_of(ann), "anything")
    assert await search(ann, q) == []
    problem = await ann.ok("GET", "/search", 422, params={"q": q + "x"})
    assert problem["code"] == "invalid_input"
    await ann.ok("GET", "/search", 422, params={"q": "x" * 10_000})
    await ann.ok("GET", "/search", 422)


async def test_better_hits_come_first(ann: Person) -> None:
    filler = "and much is said here of other things " * 20
    await wrote(id_of(ann), f"salt {filler}", "salt salt salt", f"salt {filler} salt", "salt of the earth")
    hits = await search(ann, "salt")
    assert [text[:12] for text in await texts(ann, "salt")] == [
        "salt salt sa",
        "salt of the ",
        "salt and muc",
        "salt and muc",
    ]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert hits[2]["score"] > hits[3]["score"]


async def test_pages_join_without_a_gap_or_a_double_while_messages_come_and_go(ann: Person) -> None:
    await wrote(id_of(ann), *(f"pepper {'x ' * (number // 3)}" for number in range(20)))
    whole = [hit["message_id"] for hit in await search(ann, "pepper", limit=100)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await ann.ok(
            "GET", "/search", params={"q": "pepper", "limit": 3} | ({"cursor": cursor} if cursor else {})
        )
        seen += [hit["message_id"] for hit in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
        assert len(seen) <= len(whole)
        await wrote(id_of(ann), "pepper")  # a better one than all that follow
    assert seen == whole
    assert len(whole) == 20


@pytest.mark.parametrize(
    "cursor", ["x", cursors.encode([1.5, "0" * 24]), cursors.encode([1, "z"]), cursors.encode([1])]
)
async def test_a_made_up_cursor_is_refused(ann: Person, cursor: str) -> None:
    assert (await ann.ok("GET", "/search", 422, params={"q": "a", "cursor": cursor}))["code"] == "invalid_input"


async def test_others_messages_are_not_found(ann: Person, bob: Person) -> None:
    theirs = await wrote(id_of(bob), "secret cinnamon")
    assert len(await search(bob, "cinnamon")) == 1
    assert len(await search(bob, "cinnamon", conversation_id=str(theirs.id))) == 1
    assert await search(ann, "cinnamon") == []
    assert await search(ann, "cinnamon", conversation_id=str(theirs.id)) == []


async def test_a_deleted_conversation_is_not_found_any_more(ann: Person) -> None:
    kept, gone = await wrote(id_of(ann), "nutmeg kept"), await wrote(id_of(ann), "nutmeg gone")
    assert len(await search(ann, "nutmeg")) == 2
    await ann.ok("DELETE", f"/conversations/{gone.id}", 204)
    assert [hit["conversation_id"] for hit in await search(ann, "nutmeg")] == [str(kept.id)]
    # Also while its messages are still being removed.
    await database()["conversations"].delete_one({"_id": kept.id})
    assert await search(ann, "nutmeg") == []


async def test_messages_of_every_branch_are_found(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "root")
    await ann.at_rest(run["id"])
    for number in range(2):
        await ann.at_rest((await ann.ask(conversation, f"saffron {number}", parent_id=run["message_id"]))["id"])
    assert sorted(await texts(ann, "saffron")) == ["saffron 0", "saffron 1"]


async def test_a_search_in_one_conversation_stays_in_it(ann: Person) -> None:
    first = await wrote(id_of(ann), "basil here", "and basil and thyme", "Basil at last", title="first")
    await wrote(id_of(ann), "basil there")
    assert len(await search(ann, "basil")) == 4
    assert len(await search(ann, "basil", conversation_id=str(first.id))) == 3
    assert await texts(ann, "thyme basil", conversation_id=str(first.id)) == ["and basil and thyme"]
    assert await search(ann, "basil", conversation_id=str(first.id), role="assistant") == []


async def test_the_commonest_word_reads_no_more_than_it_ranks(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST_RANKED", 4)
    monkeypatch.setattr(finding, "MOST_EXAMINED", 8)
    await wrote(id_of(ann), *(f"the {'same ' * number}" for number in range(12)), "the rare sorrel", "sorrel")
    page = await ann.ok("GET", "/search", params={"q": "the", "limit": 100})
    assert (len(page["items"]), page["truncated"]) == (4, True)
    # The best ones are among them: MongoDB keeps them first.
    assert (await texts(ann, "the"))[0].strip() == "the"
    # A rare word among common ones is looked up first, however they are ordered.
    page = await ann.ok("GET", "/search", params={"q": "the sorrel"})
    assert (len(page["items"]), page["truncated"]) == (1, False)
    # A long common word before a short rare one: the next is tried.
    await wrote(id_of(ann), *(f"everything {number}" for number in range(9)), "everything ash")
    page = await ann.ok("GET", "/search", params={"q": "everything ash"})
    assert (len(page["items"]), page["truncated"]) == (1, False)


async def test_an_excerpt_shows_the_best_place_as_plain_text(ann: Person) -> None:
    filler = "filler " * 60
    await wrote(id_of(ann), f"clove\n{filler}<b>clove</b> &amp;\n\n mace {filler}")
    (hit,) = await search(ann, "clove mace")
    line = "".join(segment["text"] for segment in hit["excerpt"])
    assert "<b>clove</b> &amp; mace filler" in line
    assert (line[0], line[-1]) == ("…", "…")
    assert len(line) < 260
    assert [segment["text"] for segment in hit["excerpt"] if segment["match"]] == ["clove", "mace"]


async def test_a_match_deep_in_a_long_text_is_still_a_hit(ann: Person) -> None:
    await wrote(id_of(ann), f"{'filler ' * 4_000} caraway")
    (hit,) = await search(ann, "caraway")
    assert hit["excerpt"][0]["text"].startswith("filler")
