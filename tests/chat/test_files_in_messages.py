"""Files that go with a message: what is kept, what a language model is shown, and what is refused."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from bson import ObjectId
from django.core.files.storage import storages

from chat import asking, removal, work
from chat.attachments import showing, storage
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.types import Image, PromptMessage
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.commands import recorded_commands
from tests.people import Person
from tests.pictures import png

SEEING = msgspec.structs.replace(SCRIPTED, capabilities=("completion", "vision"))
CUP, POT = png(), png(colour=200)


@contextmanager
def offered(model: OfferedModel) -> Iterator[LanguageModel]:
    language_model = LanguageModel()
    with offering(model, language_model.provider):
        yield language_model


@pytest_asyncio.fixture
async def eyes() -> AsyncIterator[LanguageModel]:
    """The default model, which takes pictures."""
    with offered(SEEING) as model:
        yield model
        await asyncio.gather(*(answering.interrupt() for answering in list(work._at_work.values())))


def files() -> int:
    return len([path for path in Path(storages["attachments"].location).rglob("*") if path.is_file()])  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _no_files_before(db: None) -> None:
    for path in Path(storages["attachments"].location).rglob("*"):  # type: ignore[attr-defined]
        if path.is_file():
            path.unlink()


def file(attachment: Any) -> dict[str, Any]:
    return {"type": "file", "id": attachment["id"]}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


async def told(person: Person, model: LanguageModel, conversation: str, *parts: dict[str, Any]) -> PromptMessage:
    """Ask, let it be answered, and return the last turn that the model was shown."""
    run = await person.ok("POST", f"/conversations/{conversation}/runs", 202, json={"parts": list(parts)})
    await person.at_rest(run["id"])
    return model.provider.requests[-1].messages[-1]


async def refused(person: Person, conversation: str, *parts: dict[str, Any], status: int = 422) -> str:
    """The code of the refusal; nothing was written."""
    before = await database()["messages"].count_documents({})
    problem = await person.ok("POST", f"/conversations/{conversation}/runs", status, json={"parts": list(parts)})
    assert await database()["messages"].count_documents({}) == before
    return str(problem["code"])


async def test_a_picture_is_kept_as_a_file_part_and_shown_at_each_turn(ann: Person, eyes: LanguageModel) -> None:
    conversation, cup, pot = (
        await ann.conversation(),
        await ann.attach(CUP, "cup.png"),
        await ann.attach(POT, "pot.png"),
    )
    first = await told(ann, eyes, conversation, text("What is this?"), file(cup))
    assert first == PromptMessage("user", "What is this?\n\n[Picture cup.png]", (Image("image/png", CUP),))
    second = await told(ann, eyes, conversation, file(pot), text("And this?"))
    assert second.images == (Image("image/png", POT),)
    turns = eyes.provider.requests[-1].messages
    assert [turn.images for turn in turns] == [first.images, (), second.images]
    question = (await ann.messages(conversation))[0]
    url = f"/api/v1/attachments/{cup['id']}/content"
    part = {"type": "file", "mediaType": "image/png", "filename": "cup.png", "url": url}
    assert question["parts"] == [text("What is this?"), part]
    known = await ann.ok("GET", f"/attachments/{cup['id']}")
    assert (known["conversation_id"], known["expires_at"]) == (conversation, None)


async def test_a_text_becomes_words_of_the_turn_and_is_counted(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    notes = await ann.attach("\ufeffGreen tea: 3 minutes.\n".encode() * 40, "notes.md")
    shown = await told(ann, model, conversation, text("How long?"), file(notes))
    assert shown.images == ()
    assert shown.content.startswith('How long?\n\n<file name="notes.md">\nGreen tea: 3 minutes.\n')
    assert shown.content.endswith("</file>")
    question, answer = await ann.messages(conversation)
    assert question["parts"][1]["mediaType"] == "text/plain"
    assert answer["context"]["used"] > 200


async def test_a_file_alone_is_a_message_and_names_the_conversation(ann: Person, eyes: LanguageModel) -> None:
    conversation = await ann.conversation()
    await told(ann, eyes, conversation, file(await ann.attach(CUP, "cup.png")))
    assert (await ann.ok("GET", f"/conversations/{conversation}"))["title"] == "cup.png"
    await told(ann, eyes, conversation, text("Well?"))
    assert [len(turn.images) for turn in eyes.provider.requests[-1].messages] == [1, 0, 0]


async def test_a_file_of_another_conversation_is_not_shown_whatever_a_message_says(
    ann: Person, bob: Person, eyes: LanguageModel
) -> None:
    conversation, other = await ann.conversation(), await ann.conversation()
    await told(ann, eyes, other, file(await ann.attach(POT)))
    await told(ann, eyes, conversation, text("This?"), file(await ann.attach(CUP, "cup.png")))
    pot = (await ann.messages(other))[0]["parts"][0]
    theirs = {**pot, "url": f"attachment:{(await bob.attach(POT))['id']}"}
    for wrong in (pot, theirs):
        named = {"conversation_id": ObjectId(conversation), "role": "user", "parts.type": "file"}
        await database()["messages"].update_one(named, {"$set": {"parts.1": {**wrong, "filename": "cup.png"}}})
        await told(ann, eyes, conversation, text("That?"))
        turn = eyes.provider.requests[-1].messages[0]
        assert (turn.content, turn.images) == ("This?\n\n[File cup.png, not shown]", ())


async def test_a_model_without_eyes_is_not_asked_about_pictures(ann: Person, model: LanguageModel) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP)
    assert await refused(ann, conversation, text("What is this?"), file(cup)) == "model_cannot_see"
    assert model.provider.requests == []
    assert (await ann.ok("GET", f"/attachments/{cup['id']}"))["conversation_id"] is None
    await ann.ok("DELETE", f"/attachments/{cup['id']}", 204)


async def test_earlier_pictures_are_named_to_a_model_without_eyes(ann: Person, eyes: LanguageModel) -> None:
    conversation = await ann.conversation()
    await told(ann, eyes, conversation, text("What is this?"), file(await ann.attach(CUP, "cup.png")))
    blind = msgspec.structs.replace(SCRIPTED, id="scripted/blind", name="blind", default=False)
    with offered(blind) as other:
        run = await ann.ask(conversation, "And now?", model="scripted/blind")
        await ann.at_rest(run["id"])
        assert [turn.content for turn in other.provider.requests[-1].messages] == [
            "What is this?\n\n[File cup.png, not shown]",
            "Hello there!",
            "And now?",
        ]
        answer = (await ann.messages(conversation))[1]["id"]
        problem = await ann.ok("POST", f"/messages/{answer}/regenerate", 422, json={"model": "scripted/blind"})
        assert problem["code"] == "model_cannot_see"


async def test_a_message_is_edited_and_answered_anew_with_its_files(ann: Person, eyes: LanguageModel) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP, "cup.png")
    await told(ann, eyes, conversation, text("What is this?"), file(cup))
    question, answer = await ann.messages(conversation)
    run = await ann.ok("POST", f"/messages/{answer['id']}/regenerate", 202, json={})
    await ann.at_rest(run["id"])
    assert eyes.provider.requests[-1].messages[-1].images == (Image("image/png", CUP),)
    body = {"parts": [text("What colour is it?"), file(cup)]}
    run = await ann.ok("POST", f"/messages/{question['id']}/edit", 202, json=body)
    await ann.at_rest(run["id"])
    assert eyes.provider.requests[-1].messages[-1].images == (Image("image/png", CUP),)


@pytest.mark.parametrize("form", ["attachment:{id}", "/api/v1/attachments/{id}/content", "{server}{url}", "{url}"])
async def test_ai_sdk_clients_send_files_by_an_address_of_ours(ann: Person, eyes: LanguageModel, form: str) -> None:
    cup = await ann.attach(CUP, "cup.png")
    url = form.format(**cup, server=ann.server) if "url" in form else form.format(id=cup["id"])
    # What else is said of the file is not believed.
    part = {"type": "file", "mediaType": "text/html", "filename": "x.html", "url": url}
    message = {"id": "local", "role": "user", "parts": [part, text("What is this?")]}
    await ann.chat("a-chat", messages=[message])
    assert eyes.provider.requests[-1].messages[-1].images == (Image("image/png", CUP),)
    kept = (await ann.ok("GET", "/ui/chat/a-chat"))["messages"][0]["parts"][0]
    assert (kept["mediaType"], kept["filename"]) == ("image/png", "cup.png")
    assert kept["url"] == f"/api/v1/attachments/{cup['id']}/content"
    async with ann.socket() as socket:
        again = {**part, "url": kept["url"]}
        await socket.ask("r1", "a-chat", "", messages=[{"id": "m2", "role": "user", "parts": [again, text("Sure?")]}])
        await socket.read("r1")
    assert [len(turn.images) for turn in eyes.provider.requests[-1].messages] == [1, 0, 1]


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,iVBORw0KGgo=",
        "data:image/png;base64," + "A" * 600_000,
        "https://example.org/cup.png",
        "https://example.org/api/v1/attachments/{id}/content",
        "//example.org/api/v1/attachments/{id}/content",
        "file:///api/v1/attachments/{id}/content",
        "/api/v1/attachments/{id}/content?next=1",
        "/api/v1/attachments/../conversations/{id}",
        "http://[::1",
        "attachment:x",
        "",
        None,
        3,
    ],
)
async def test_any_other_address_is_refused_and_never_fetched(ann: Person, eyes: LanguageModel, url: Any) -> None:
    cup = await ann.attach(CUP)
    url = url.replace("{id}", cup["id"]) if isinstance(url, str) else url
    part = {"type": "file", "mediaType": "image/png", "url": url}
    body = {"id": "a-chat", "messages": [{"id": "m", "role": "user", "parts": [part, text("Hi")]}]}
    problem = await ann.ok("POST", "/ui/chat", 422, json=body)
    assert problem["code"] == "file_not_attached"
    assert "POST /api/v1/attachments" in problem["detail"]
    if len(str(url)) < 1_000:
        async with ann.socket() as socket:
            await socket.ask("r1", "a-chat", "", messages=body["messages"])
            assert (await socket.frame())["problem"]["code"] == "file_not_attached"
    assert eyes.provider.requests == []


async def test_a_file_that_cannot_be_sent_is_refused_before_anything_is_written(
    ann: Person, bob: Person, eyes: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, other = await ann.conversation(), await ann.conversation()
    cup, theirs, old = await ann.attach(CUP), await bob.attach(CUP), await ann.attach(POT)
    await told(ann, eyes, other, file(cup))
    await database()["attachments"].update_one({"_id": ObjectId(old["id"])}, {"$set": {"expires_at": now()}})
    with monkeypatch.context() as patch:
        patch.setattr(storage, "_storage", lambda: storages["away"])  # refused without a look at the file
        for each in (theirs, cup, old, {"id": str(ObjectId())}):
            assert await refused(ann, conversation, text("Hi"), file(each)) == "attachment_unknown"
    for bad in ({"type": "file"}, {"type": "file", "id": "x"}, {"type": "file", "url": "attachment:x"}):
        assert await refused(ann, conversation, text("Hi"), bad) == "invalid_input"
    many = [file(await ann.attach(b"tea")) for _ in range(9)]
    assert await refused(ann, conversation, *many) == "invalid_input"
    assert (await ann.ok("DELETE", f"/attachments/{cup['id']}", 409))["code"] == "attachment_sent"
    assert len(eyes.provider.requests) == 1


async def test_a_text_longer_than_the_window_is_refused_unread(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await ann.conversation()
    book, chapter = await ann.attach(b"tea " * 50_000), await ann.attach(b"tea " * 12_000)
    assert await refused(ann, conversation, file(chapter)) == "message_too_long_for_model"
    monkeypatch.setattr(storage, "_storage", lambda: storages["away"])
    assert await refused(ann, conversation, file(book)) == "message_too_long_for_model"
    assert await refused(ann, conversation, file(chapter), status=503) == "storage_away"


async def test_earlier_files_that_do_not_fit_are_named(
    ann: Person, eyes: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await ann.conversation()
    await told(ann, eyes, conversation, text("This?"), file(await ann.attach(CUP, "cup.png")))
    monkeypatch.setattr(showing, "_picture_bytes", lambda: len(CUP) + len(POT) - 1)
    pot = await ann.attach(POT, "pot.png")
    await told(ann, eyes, conversation, text("That?"), file(pot))
    first, _, last = eyes.provider.requests[-1].messages
    assert (first.content, first.images) == ("This?\n\n[File cup.png, not shown]", ())
    assert last.images == (Image("image/png", POT),)
    more = await ann.attach(png(colour=9))
    assert await refused(ann, conversation, file(pot), file(more)) == "attachments_too_large"


async def test_pictures_are_counted_in_the_window(ann: Person, eyes: LanguageModel) -> None:
    conversation = await ann.conversation()
    large = [file(await ann.attach(png(990, 990, colour=number))) for number in range(7)]
    assert await refused(ann, conversation, *large, text("Which?")) == "message_too_long_for_model"
    await told(ann, eyes, conversation, *large[:3], text("Which?"))
    assert (await ann.messages(conversation))[1]["context"]["used"] > 3_000


async def test_a_file_that_is_gone_is_named_where_it_was(ann: Person, eyes: LanguageModel) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP, "cup.png")
    await told(ann, eyes, conversation, text("What is this?"), file(cup))
    stored = await database()["attachments"].find_one({"_id": ObjectId(cup["id"])})
    assert stored is not None
    storages["attachments"].delete(stored["key"])
    await told(ann, eyes, conversation, text("Still there?"))
    assert eyes.provider.requests[-1].messages[0].content == "What is this?\n\n[File cup.png, not shown]"
    await ann.ok("GET", f"/attachments/{cup['id']}/content", 404)


async def test_a_conversation_takes_its_files_along_and_no_others(ann: Person, eyes: LanguageModel) -> None:
    conversation, other = await ann.conversation(), await ann.conversation()
    await told(ann, eyes, conversation, file(await ann.attach(CUP)), file(await ann.attach(b"tea")))
    await told(ann, eyes, other, file(await ann.attach(POT)))
    await ann.attach(b"not sent")
    assert files() == 4
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    assert files() == 2
    assert await database()["attachments"].count_documents({}) == 2


async def test_while_files_cannot_be_deleted_their_conversation_stays(
    ann: Person, eyes: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await ann.conversation()
    await told(ann, eyes, conversation, file(await ann.attach(CUP)))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "_storage", lambda: storages["away"])
        assert (await ann.ok("DELETE", f"/conversations/{conversation}", 503))["code"] == "storage_away"
    assert len(await ann.messages(conversation)) == 2
    await ann.ok("DELETE", f"/conversations/{conversation}", 204)
    assert files() == 0


async def test_files_given_to_a_conversation_that_was_just_deleted_go_with_it(
    ann: Person, eyes: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP)
    owner = (await database()["conversations"].find_one({"_id": ObjectId(conversation)}) or {})["user_id"]
    begin = work.begin

    async def begin_late(*arguments: Any) -> None:
        await removal.delete_conversation(owner, ObjectId(conversation))
        await database()["attachments"].insert_one(stored)  # as one that was given behind the deletion's last look
        await begin(*arguments)

    stored = await database()["attachments"].find_one({"_id": ObjectId(cup["id"])})
    assert stored is not None
    stored = {**stored, "conversation_id": ObjectId(conversation), "expires_at": None}
    monkeypatch.setattr(work, "begin", begin_late)
    assert await refused(ann, conversation, file(cup), status=404) == "not_found"
    assert await database()["attachments"].count_documents({}) == 0


async def test_a_run_whose_files_were_slow_to_read_begins_with_a_whole_lease(
    ann: Person, eyes: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(_: str) -> bytes:
        monkeypatch.setattr(asking, "now", lambda: now() + timedelta(seconds=60))
        return CUP

    monkeypatch.setattr(showing, "file_at", slowly)
    conversation, cup = await ann.conversation(), await ann.attach(CUP)
    with recorded_commands() as commands:
        await told(ann, eyes, conversation, file(cup))
    (run,) = next(c.body["documents"] for c in commands if (c.name, c.collection) == ("insert", "runs"))
    assert run["lease_expires_at"] - run["created_at"] > timedelta(seconds=69)


async def test_the_same_message_sent_twice_at_once_has_its_files(ann: Person, eyes: LanguageModel) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP)
    body, headers = {"parts": [file(cup)]}, {"Idempotency-Key": "once"}
    path = f"/conversations/{conversation}/runs"
    answers = await asyncio.gather(*(ann.http.post(path, json=body, headers=headers) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    await ann.at_rest(answers[0].json()["id"])
    assert eyes.provider.requests[-1].messages[-1].images == (Image("image/png", CUP),)


async def test_a_question_without_files_asks_the_database_nothing_more(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    await ann.at_rest((await ann.ask(conversation, "Hi"))["id"])
    with recorded_commands() as commands:
        await ann.at_rest((await ann.ask(conversation, "And?"))["id"])
    assert "attachments" not in {command.collection for command in commands}


async def test_exports_name_files_and_an_import_does_not_take_anothers(
    ann: Person, bob: Person, eyes: LanguageModel
) -> None:
    conversation, cup = await ann.conversation(), await ann.attach(CUP, "cup.png")
    await told(ann, eyes, conversation, text("What is this?"), file(cup))
    path = f"/conversations/{conversation}/export"
    assert "*Attached: cup.png (image/png)*" in (await ann.http.get(path)).text
    exported = await ann.http.get(path, params={"format": "json"})
    assert exported.json()["messages"][0]["parts"][1]["filename"] == "cup.png"
    made = await bob.ok("POST", "/imports", 201, json={"size": len(exported.content)})
    async with bob.device() as phone:
        content = f"/imports/{made['id']}/content"
        await bob.ok("PUT", content, params={"offset": 0}, content=exported.content)
        assert (await phone.frame())["added"] == 1
    imported = (await bob.ok("GET", "/conversations"))["items"][0]["id"]
    assert (await bob.messages(imported))[0]["parts"][1] == text("[File: cup.png]")
