"""A worker dies in the middle of an erasure, and of an export: another goes on."""

import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from bson import ObjectId

from tests.people import PASSWORD, Person
from tests.survival.stage import Stage, until

MANY = 2_000
WORDS = "words of one who leaves"


async def has_said_much(stage: Stage, person: Person) -> ObjectId:
    """A conversation of many messages."""
    owner = ObjectId(person.tokens["user"]["id"])
    conversation = ObjectId(await person.conversation(title=WORDS))
    at = datetime(2026, 5, 1, tzinfo=UTC)
    parent, messages = None, []
    for number in range(MANY):
        message_id = ObjectId()
        messages.append(
            {
                "_id": message_id,
                "conversation_id": conversation,
                "user_id": owner,
                "parent_id": parent,
                "role": ("user", "assistant")[number % 2],
                "parts": [{"type": "text", "text": WORDS}],
                "text": "",
                "grams": "",
                "status": "complete",
                "run_id": None,
                "model": "",
                "usage": None,
                "error": None,
                "context": None,
                "feedback": None,
                "client_id": None,
                "position": 0,
                "calls": 0,
                "resumption": None,
                "created_at": at + timedelta(seconds=number),
            }
        )
        parent = message_id
    await stage.database["messages"].insert_many(messages)
    await stage.database["conversations"].update_one({"_id": conversation}, {"$set": {"leaf_id": parent}})
    return owner


async def kill_whoever_is_at(stage: Stage, collection: str, far_enough: dict[str, Any]) -> None:
    """Kill the worker that is at the job of this collection once it is so far; its lease is over at once."""
    found: dict[str, Any] = {}

    async def is_at_work() -> bool:
        found.update(await stage.database[collection].find_one(far_enough) or {})
        return bool(found)

    await until(is_at_work)
    [victim] = [worker for worker in stage.workers if f"-{worker.pid}-" in found["worker"]]
    await victim.die()
    left = await stage.database[collection].find_one({"_id": found["_id"]})
    assert left is not None
    assert left["status"] == "running", "it died in the middle"
    await stage.database[collection].update_one(
        {"_id": found["_id"]}, {"$set": {"lease_expires_at": datetime.now(UTC)}}
    )
    stage.dispatcher.ports = [worker.port for worker in stage.workers if worker is not victim]


@asynccontextmanager
async def holding_a_message(stage: Stage, owner: ObjectId) -> AsyncIterator[None]:
    """Whoever deletes the owner's messages waits at one of them: it is written in a transaction that stays open."""
    held = await stage.database["messages"].find_one({"user_id": owner}, skip=MANY // 2)
    assert held is not None
    async with stage.database.client.start_session() as session:
        await session.start_transaction()
        await stage.database["messages"].update_one({"_id": held["_id"]}, {"$inc": {"position": 1}}, session=session)
        yield
        await session.abort_transaction()


@asynccontextmanager
async def holding_a_file(stage: Stage, person: Person) -> AsyncIterator[None]:
    """Whoever reads what the person attached waits: instead of the file there is a pipe that nobody writes to."""
    attached = await person.attach(b"What I brought along.", "notes.txt")
    [path] = (stage.directory / "state").glob(f"**/{attached['id']}")
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    try:
        yield
    finally:
        path.unlink()
        path.write_bytes(content)


@pytest.mark.usefixtures("ann")
async def test_an_erasure_is_finished_by_another_worker(stage: Stage) -> None:
    async with stage.person() as person:
        owner = await has_said_much(stage, person)
        async with holding_a_message(stage, owner):
            asked = await person.ok("POST", "/me/erasure", 202, json={"current_password": PASSWORD})
            await kill_whoever_is_at(stage, "erasures", {"step": "messages"})
            assert await stage.database["messages"].count_documents({"user_id": owner}) > 0

        async def is_complete() -> bool:
            receipt = await person.ok("GET", f"/erasures/{asked['receipt']}")
            return bool(receipt["state"] == "complete")

        await until(is_complete)
        receipt = await person.ok("GET", f"/erasures/{asked['receipt']}")
    counts = {place["name"]: place["count"] for place in receipt["places"]}
    assert (counts["messages"], counts["conversations"], counts["user"]) == (MANY, 1, 1)
    for name in ("users", "sessions", "conversations", "messages", "runs"):
        field = "_id" if name == "users" else "user_id"
        assert await stage.database[name].count_documents({field: owner}) == 0, name
    for name in await stage.database.list_collection_names():
        async for document in stage.database[name].find({}):
            assert person.email not in repr(document), name
            assert WORDS not in repr(document), name


@pytest.mark.usefixtures("ann")
async def test_an_export_is_made_by_another_worker(stage: Stage) -> None:
    async with stage.person() as person:
        await has_said_much(stage, person)
        async with holding_a_file(stage, person):
            made = await person.ok("POST", "/me/exports", 202, json={"current_password": PASSWORD})
            await kill_whoever_is_at(stage, "data_exports", {"status": "running"})

        async def is_complete() -> bool:
            return bool((await person.ok("GET", f"/me/exports/{made['id']}"))["status"] == "complete")

        await until(is_complete)
        export = await person.ok("GET", f"/me/exports/{made['id']}")
        raw = (await person.http.get(f"/me/exports/{made['id']}/content")).content
        assert hashlib.sha256(raw).hexdigest() == export["sha256"]
        archive = zipfile.ZipFile(io.BytesIO(raw))
        [conversation] = orjson.loads(archive.read("conversations-0001.json"))
        assert len(conversation["messages"]) == MANY
        # So that nothing is left that the next test could meet.
        await stage.database["messages"].delete_many({})
