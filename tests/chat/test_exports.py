"""A conversation as a file."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from chat.exports import exporting
from chat.exports.api import file_name
from chat.exports.file_schemas import ConversationFile
from chat.exports.markdown import closed, section
from chat.types import Message, MessageStatus, Role
from eloquent.foundation.ids import id_after
from inference.providers.scripted import saying
from inference.types import ReasoningDelta, ToolCall
from tests.chat.conftest import LanguageModel
from tests.people import Person

INTERNALS = ("user_id", "run_id", "position", "worker", "grams", "import_key", "idempotency_key", "client_id")


async def exported(person: Person, conversation: str, form: str) -> Any:
    answer = await person.http.get(f"/conversations/{conversation}/export", params={"format": form})
    assert answer.status_code == 200, answer.text
    return answer


async def test_markdown_has_the_branch_shown_in_order(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation(title="Of *tea*", system_prompt="Be brief.")
    model.script = saying("```python\n", "brew(")
    first = await ann.ask(conversation, "How?")
    await ann.at_rest(first["id"])
    model.script = saying("Not shown in the end.")
    await ann.at_rest((await ann.ask(conversation, "Aside", parent_id=first["message_id"]))["id"])
    model.script = saying("# Three minutes")
    await ann.at_rest((await ann.ask(conversation, "How long?\nExactly?", parent_id=first["message_id"]))["id"])

    answer = await exported(ann, conversation, "markdown")

    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="Of tea.md"'
    text = answer.text
    assert text.startswith("# Of \\*tea\\*\n\n- Begun: 20")
    assert "## System prompt\n\nBe brief.\n" in text
    places = [text.index(said) for said in ("How?", "brew(\n```\n", "How long?\nExactly?", "# Three minutes")]
    assert places == sorted(places)
    assert "Aside" not in text
    assert "Not shown" not in text
    assert text.count("\n## You, ") == text.count("\n## Assistant (scripted/scripted), ") == 2


async def test_json_has_all_branches_and_no_internals(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MESSAGES_AT_A_TIME", 2)
    conversation = await ann.conversation(title="Tea")
    model.script = [ReasoningDelta("Hm."), ToolCall("c1", "clock", '{"zone": "UTC"}'), *saying("Now ", "<b>&</b>")]
    first = await ann.ask(conversation, "When?")
    await ann.at_rest(first["id"])
    for number in range(2):
        await ann.at_rest((await ann.ask(conversation, f"b{number}", parent_id=first["message_id"]))["id"])

    answer = await exported(ann, conversation, "json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="Tea.json"'
    file = answer.json()
    ConversationFile.model_validate(file)
    assert file["format"] == "eloquent.conversation/1"
    shown = await ann.ok("GET", f"/conversations/{conversation}")
    assert {name: shown[name] for name in file["conversation"]} == file["conversation"]
    assert len(file["messages"]) == 6
    seen: set[str | None] = {None}
    for message in file["messages"]:
        assert message["parent_id"] in seen  # each behind its parent
        seen.add(message["id"])
    assert shown["leaf_id"] in seen
    branch = await ann.messages(conversation)
    by_id = {message["id"]: message for message in file["messages"]}
    for message in branch:
        for name in ("parts", "role", "status", "usage", "created_at"):
            assert by_id[message["id"]][name] == message[name]
    assert not any(name in answer.text for name in INTERNALS)


@pytest.mark.parametrize("form", ["markdown", "json"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
async def test_an_export_is_whole_wherever_its_pieces_end(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, form: str, count: int
) -> None:
    monkeypatch.setattr(exporting, "MESSAGES_AT_A_TIME", 2)
    conversation = await ann.conversation(title="Many")
    for number in range(count):
        await ann.at_rest((await ann.ask(conversation, f"question-{number}."))["id"])
    answer = await exported(ann, conversation, form)
    assert [answer.text.count(f"question-{number}.") for number in range(count)] == [1] * count
    if form == "json":
        assert len(answer.json()["messages"]) == 2 * count


async def test_a_failed_answer_says_so(ann: Person, model: LanguageModel) -> None:
    model.script = ["Well, "]  # and then the connection breaks
    conversation = await ann.conversation()
    await ann.at_rest((await ann.ask(conversation, "Hi"))["id"])
    assert "*This answer failed.*" in (await exported(ann, conversation, "markdown")).text


async def test_an_unknown_format_and_a_strangers_conversation_are_refused(ann: Person, bob: Person) -> None:
    conversation = await ann.conversation()
    await ann.ok("GET", f"/conversations/{conversation}/export", 422, params={"format": "pdf"})
    for form in ("markdown", "json"):
        path = f"/conversations/{conversation}/export"
        assert (await bob.ok("GET", path, 404, params={"format": form}))["code"] == "not_found"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Tea", "Tea"),
        ("../../etc/passwd", "etc passwd"),
        ('a"b\r\nSet-Cookie: x', "a b Set-Cookie x"),
        ("...", "conversation"),
        ("", "conversation"),
        ("\u202egnp.exe", "gnp.exe"),
        ("x" * 200, "x" * 80),
        ("Über Tee", "Über Tee"),
    ],
)
def test_a_files_name_is_safe(title: str, name: str) -> None:
    assert file_name(title) == name


async def test_a_name_beyond_ascii_is_encoded_in_the_header(ann: Person) -> None:
    answer = await exported(ann, await ann.conversation(title="Über 茶"), "json")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''%C3%9Cber%20%E8%8C%B6.json"


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("plain", "plain"),
        ("```\ncode", "```\ncode\n```"),
        ("```\ncode\n```", "```\ncode\n```"),
        ("````\n```\n", "````\n```\n````"),
        ("~~~ py\n```", "~~~ py\n```\n~~~"),
        ("```a`b", "```a`b"),
        ("```\n``` not an end", "```\n``` not an end\n```"),
    ],
)
def test_an_open_fence_is_closed(text: str, ends: str) -> None:
    assert closed(text) == ends


@given(st.text(st.sampled_from("`~ \nab"), max_size=60))
def test_what_is_closed_stays_closed(text: str) -> None:
    once = closed(text)
    assert closed(once) == once
    assert once.startswith(text.rstrip("\n"))


def test_a_section_shows_every_kind_of_part() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "reasoning", "text": "Hm.\n\nYes."},
        {"type": "dynamic-tool", "toolName": "clock", "input": {"say": "```"}},
        {"type": "text", "text": "Noon."},
        {"type": "data-unknown", "data": 1},
    ]
    message = Message(
        id=id_after(None),
        conversation_id=ObjectId(),
        user_id=ObjectId(),
        parent_id=None,
        role=Role.ASSISTANT,
        parts=parts,
        text="Noon.",
        status=MessageStatus.STOPPED,
        created_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    )
    assert section(message) == (
        "\n\n## Assistant, 2026-05-01 12:30 UTC\n\n> Hm.\n>\n> Yes.\n\nTool `clock`:\n\n"
        '````json\n{\n  "say": "```"\n}\n````\n\nNoon.\n\n*This answer was stopped.*\n\n'
    )
