"""Files of conversations that are sent in pieces."""

import asyncio
import gzip
from datetime import timedelta
from typing import Any

import orjson
import pytest
from bson import ObjectId

from chat.imports import uploading
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.chat.test_imports import BRANCHED, chatgpt, node
from tests.people import Person

RAW = orjson.dumps([BRANCHED, {"mapping": 3}, chatgpt(node("q", None, "user", "Hi"), conversation_id="2", title="Two")])


async def announced(person: Person, size: int = len(RAW), status: int = 201) -> Any:
    return await person.ok("POST", "/imports", status, json={"name": "conversations.json", "size": size})


async def sent(person: Person, import_id: str, content: bytes, offset: int = 0, status: int = 200) -> Any:
    path = f"/imports/{import_id}/content"
    return await person.ok("PUT", path, status, params={"offset": offset}, content=content)


async def at_rest(person: Person, import_id: str) -> Any:
    """The import once it has ended, of which the user's devices are told."""
    async with person.device() as phone:
        while (found := await person.ok("GET", f"/imports/{import_id}"))["finished_at"] is None:
            told = await phone.frame()
            assert told["type"] == "import-finished"
    return found


async def imported(person: Person, raw: bytes) -> Any:
    made = await announced(person, len(raw))
    await sent(person, made["id"], raw)
    return await at_rest(person, made["id"])


def counts(value: Any) -> tuple[str, int, int, int]:
    return value["status"], value["added"], value["known"], value["failed"]


async def titles(person: Person) -> list[str]:
    return sorted(item["title"] for item in (await person.ok("GET", "/conversations"))["items"])


async def test_a_file_in_pieces_becomes_conversations_and_a_repeat_adds_nothing(ann: Person) -> None:
    made = await announced(ann)
    assert (await sent(ann, made["id"], RAW[:100]))["status"] == "uploading"
    await sent(ann, made["id"], RAW[100:], 100)
    ended = await at_rest(ann, made["id"])
    assert counts(ended) == ("complete", 2, 0, 1)
    assert ended["problems"] == ["Conversation 2: It has no messages that ChatGPT's export would have."]
    assert await titles(ann) == ["Of tea", "Two"]
    assert counts(await imported(ann, RAW)) == ("complete", 0, 2, 1)
    assert await titles(ann) == ["Of tea", "Two"]
    page = await ann.ok("GET", "/imports", params={"limit": 1})
    rest = await ann.ok("GET", "/imports", params={"limit": 1, "cursor": page["next_cursor"]})
    assert (rest["items"][0]["id"], rest["next_cursor"]) == (made["id"], None)


async def test_pieces_that_begin_elsewhere_are_refused_with_where_to_go_on(ann: Person) -> None:
    made = await announced(ann)
    await sent(ann, made["id"], RAW[:100])
    for offset in (0, 50, 101):
        assert (await sent(ann, made["id"], RAW[:100], offset, 409))["received"] == 100
    assert (await sent(ann, made["id"], b"", 100, 422))["code"] == "invalid_input"
    await sent(ann, made["id"], RAW[100:] + b"x", 100, 422)
    await sent(ann, made["id"], b"x" * (1024 * 1024 + 1), 100, 413)
    await sent(ann, made["id"], RAW[100:], 100)
    assert counts(await at_rest(ann, made["id"])) == ("complete", 2, 0, 1)


async def test_two_pieces_at_once_are_one(ann: Person) -> None:
    made = await announced(ann)
    path = f"/imports/{made['id']}/content"
    answers = await asyncio.gather(
        *(ann.http.put(path, params={"offset": 0}, content=RAW[: 100 + more]) for more in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    received = (await ann.ok("GET", f"/imports/{made['id']}"))["received"]
    await sent(ann, made["id"], RAW[received:], received)
    assert counts(await at_rest(ann, made["id"])) == ("complete", 2, 0, 1)


async def test_a_piece_of_a_megabyte_is_taken(ann: Person) -> None:
    raw = RAW + b" " * (1024 * 1024 - len(RAW))
    assert counts(await imported(ann, raw)) == ("complete", 2, 0, 1)


async def test_what_is_no_export_fails_with_a_sentence(ann: Person) -> None:
    for raw in (gzip.compress(RAW), b"[]", b"hello", b'[{"a'):
        ended = await imported(ann, raw)
        assert (ended["status"], ended["added"]) == ("failed", 0)
        assert ended["problems"]
    assert await titles(ann) == []


async def test_a_third_unfinished_import_and_impossible_sizes_are_refused(ann: Person, bob: Person) -> None:
    for size in (0, -1, 512 * 1024 * 1024 + 1):
        await announced(ann, size, 422)
    answers = await asyncio.gather(*(ann.http.post("/imports", json={"size": 5}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    await announced(bob)
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    await ann.ok("DELETE", f"/imports/{made['id']}")
    await announced(ann)


async def test_anothers_import_is_not_there(ann: Person, bob: Person) -> None:
    made = await announced(ann)
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/content?offset=0")):
        await bob.ok(method, f"/imports/{made['id']}{path}", 404, content=b"x" if method == "PUT" else None)
    assert await database()["import_chunks"].count_documents({}) == 0
    assert (await bob.ok("GET", "/imports"))["items"] == []
    assert (await ann.ok("GET", f"/imports/{made['id']}"))["status"] == "uploading"


async def test_a_cancelled_import_takes_nothing_more_and_keeps_no_bytes(ann: Person) -> None:
    made = await announced(ann)
    await sent(ann, made["id"], RAW[:100])
    assert (await ann.ok("DELETE", f"/imports/{made['id']}"))["status"] == "cancelled"
    await sent(ann, made["id"], RAW[100:], 100, 409)
    assert await database()["import_chunks"].count_documents({}) == 0


async def test_a_piece_that_comes_while_its_import_is_erased_leaves_no_bytes(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_chunk = uploading.store.add_chunk

    async def behind_an_erasure(*what: Any, **when: Any) -> Any:
        await database()["imports"].delete_many({})
        return await add_chunk(*what, **when)

    monkeypatch.setattr(uploading.store, "add_chunk", behind_an_erasure)
    made = await announced(ann)
    await sent(ann, made["id"], RAW[:100], 0, 404)
    assert await database()["import_chunks"].count_documents({}) == 0


async def test_a_time_that_is_yet_to_come_keeps_no_conversation_from_retention(ann: Person) -> None:
    raw = orjson.dumps([chatgpt(node("q", None, "user", "Hi"), conversation_id="1", create_time=1e9, update_time=4e9)])
    assert counts(await imported(ann, raw)) == ("complete", 1, 0, 0)
    assert await database()["conversations"].count_documents({"updated_at": {"$gt": now()}}) == 0


async def test_devices_are_told_when_a_file_is_imported(ann: Person, bob: Person) -> None:
    async with ann.device() as phone, bob.device() as theirs:
        made = await announced(ann)
        await sent(ann, made["id"], RAW)
        assert await phone.frame() == {
            "type": "import-finished",
            "import_id": made["id"],
            "status": "complete",
            "added": 2,
        }
        conversation = await bob.conversation()
        assert (await theirs.frame())["conversation_id"] == conversation


async def test_a_cancelled_import_that_is_sent_again_is_read_from_its_beginning(ann: Person) -> None:
    made = await announced(ann)
    await sent(ann, made["id"], RAW[:300])
    await ann.ok("DELETE", f"/imports/{made['id']}")
    assert counts(await imported(ann, RAW)) == ("complete", 2, 0, 1)
    assert (await ann.ok("DELETE", f"/imports/{made['id']}"))["status"] == "cancelled"


async def test_of_many_problems_all_are_counted_and_fifty_told(ann: Person) -> None:
    ended = await imported(ann, orjson.dumps([BRANCHED, *[{"mapping": 3}] * 60]))
    assert counts(ended) == ("complete", 1, 0, 60)
    assert len(ended["problems"]) == 50


async def test_names_and_offsets_that_cannot_be_are_refused(ann: Person) -> None:
    for body in ({}, {"size": "many"}, {"size": 3, "name": "x" * 201}, {"size": 3, "owner": "me"}, {"size": 1.5}):
        assert (await ann.http.post("/imports", json=body)).status_code == 422
    made = await announced(ann)
    for query in ("", "offset=-1", "offset=x", "offset=99999999999999999999"):
        assert (await ann.http.put(f"/imports/{made['id']}/content?{query}", content=b"x")).status_code == 422
    for import_id in ("x", "0" * 24):
        assert (await ann.http.get(f"/imports/{import_id}")).status_code in (404, 422)
    assert (await ann.ok("GET", f"/imports/{made['id']}"))["received"] == 0
    await ann.ok("GET", "/imports", 422, params={"cursor": "nonsense"})


async def test_an_upload_is_kept_for_a_day_and_what_became_of_it_for_a_week(ann: Person) -> None:
    made = await announced(ann)
    kept = await database()["imports"].find_one({"_id": ObjectId(made["id"])})
    assert kept is not None
    assert kept["expires_at"] - kept["created_at"] == timedelta(days=1)
    await sent(ann, made["id"], RAW[:100])
    piece = await database()["import_chunks"].find_one({"upload_id": kept["_id"]})
    assert piece is not None
    assert piece["expires_at"] - kept["created_at"] == timedelta(days=2)
    await sent(ann, made["id"], RAW[100:], 100)
    await at_rest(ann, made["id"])
    ended = await database()["imports"].find_one({"_id": kept["_id"]})
    assert ended is not None
    assert ended["expires_at"] - ended["finished_at"] == timedelta(days=7)
    for name in ("imports", "import_chunks"):
        indexes = await database()[name].index_information()
        assert [index["key"] for index in indexes.values() if index.get("expireAfterSeconds") == 0] == [
            [("expires_at", 1)]
        ]
