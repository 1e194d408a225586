"""What becomes of files that have arrived: workers that are lost, sent away, in trouble, or told to stop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, DocumentTooLarge

from chat import store
from chat.imports import importing, job
from chat.types import ImportChunk
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.chat.test_imports import BRANCHED
from tests.chat.test_imports_api import RAW, announced, at_rest, counts, imported, sent, titles
from tests.people import Person

_ENOUGH_S = 20


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Return when it is so."""
    async with asyncio.timeout(_ENOUGH_S):
        while not await is_so():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.01)


async def stored(import_id: str) -> Any:
    return await database()["imports"].find_one({"_id": ObjectId(import_id)})


async def left_by_another(person: Person, lease_s: float, **fields: Any) -> str:
    """An import that another worker has, with a lease of so many seconds from now on."""
    made = await announced(person)
    await sent(person, made["id"], RAW[:100])
    rest = ImportChunk(
        id=ObjectId(),
        upload_id=ObjectId(made["id"]),
        offset=100,
        content=RAW[100:],
        expires_at=now() + timedelta(days=1),
    )
    await database()["import_chunks"].insert_one(store.documents.document_of(rest))
    lost = {"status": "running", "active": True, "worker": "lost", "received": len(RAW), "attempts": 1}
    lease = {"lease_expires_at": now() + timedelta(seconds=lease_s)}
    await database()["imports"].update_one({"_id": ObjectId(made["id"])}, {"$set": {**lost, **lease, **fields}})
    job.look_now()
    return str(made["id"])


class Held:
    """Conversations are read when `go` is set; `began` says that the first is waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        read = importing.talk_of

        def talk_of(raw: bytes) -> Any:
            self.began.set()
            assert self.go.wait(_ENOUGH_S)
            return read(raw)

        monkeypatch.setattr(importing, "talk_of", talk_of)

    async def begun(self, person: Person) -> str:
        """The id of a new import whose first conversation is waiting."""
        made = await announced(person)
        await sent(person, made["id"], RAW)
        assert await asyncio.to_thread(self.began.wait, _ENOUGH_S)
        return str(made["id"])


async def test_the_import_of_a_lost_worker_is_taken_up_and_doubles_nothing(ann: Person) -> None:
    owner = ObjectId(ann.tokens["user"]["id"])
    outcome = await job.outcome_of(1, orjson.dumps(BRANCHED), owner, at=now())
    assert outcome.result == "added", "it was lost behind the first, before it could count it"
    import_id = await left_by_another(ann, 0)
    assert counts(await at_rest(ann, import_id)) == ("complete", 1, 1, 1)
    assert await titles(ann) == ["Of tea", "Two"]


async def test_what_was_counted_is_not_read_again(ann: Person) -> None:
    import_id = await left_by_another(ann, 0, added=1, failed=1, problems=["Conversation 2: It is none."])
    ended = await at_rest(ann, import_id)
    assert counts(ended) == ("complete", 2, 0, 1)
    assert ended["problems"] == ["Conversation 2: It is none."]
    assert await titles(ann) == ["Two"]


async def test_an_import_whose_lease_holds_is_left_alone(ann: Person) -> None:
    held = await left_by_another(ann, 600)
    assert counts(await imported(ann, RAW)) == ("complete", 2, 0, 1)
    assert counts(await ann.ok("GET", f"/imports/{held}")) == ("running", 0, 0, 0)


async def test_a_file_that_took_five_workers_along_takes_no_sixth(ann: Person) -> None:
    ended = await at_rest(ann, await left_by_another(ann, 0, attempts=5))
    assert counts(ended) == ("failed", 0, 0, 0)
    assert ended["problems"] == ["The file could not be read to its end."]
    assert await titles(ann) == []


async def test_a_lease_is_renewed_however_long_one_conversation_takes(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_TELL_EVERY_S", 0.02)
    held = Held(monkeypatch)
    import_id = await held.begun(ann)
    first = (await stored(import_id))["lease_expires_at"]

    async def is_renewed() -> bool:
        return bool((await stored(import_id))["lease_expires_at"] > first)

    await until(is_renewed)
    held.go.set()
    assert counts(await at_rest(ann, import_id)) == ("complete", 2, 0, 1)


async def test_an_import_is_cancelled_while_it_runs_and_keeps_what_it_has(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_TELL_EVERY_S", 0.02)
    held = Held(monkeypatch)
    import_id = await held.begun(ann)
    cancelled = await ann.ok("DELETE", f"/imports/{import_id}")
    assert cancelled["status"] == "cancelled"
    await until(_nothing_keeps_a_lease)
    held.go.set()
    # The next import begins when this worker is done with the cancelled one.
    assert counts(await imported(ann, RAW))[0] == "complete"
    assert counts(await ann.ok("GET", f"/imports/{import_id}")) == ("cancelled", 0, 0, 0)
    assert await database()["import_chunks"].count_documents({}) == 0


async def _nothing_keeps_a_lease() -> bool:
    return not any(task.get_name() == "import lease" for task in asyncio.all_tasks())


async def test_a_worker_that_is_sent_away_leaves_the_rest_to_another(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    import_id = await held.begun(ann)
    lifecycle.start_draining()
    held.go.set()

    async def is_waiting() -> bool:
        return bool((await stored(import_id))["status"] == "queued")

    try:
        await until(is_waiting)
        waiting = await stored(import_id)
        assert (waiting["added"], waiting["attempts"]) == (1, 0)
    finally:
        lifecycle.open_for_work()
    job.look_now()
    assert counts(await at_rest(ann, import_id)) == ("complete", 2, 0, 1)
    assert await titles(ann) == ["Of tea", "Two"]


async def test_nothing_is_written_for_a_closed_account(ann: Person, bob: Person) -> None:
    owner = ObjectId(ann.tokens["user"]["id"])
    await database()["users"].update_one({"_id": owner}, {"$set": {"is_active": False}})
    marker = str(ObjectId())
    await left_by_another(bob, 0, user_id=owner, marker=marker)

    async def is_failed() -> bool:
        found = await database()["imports"].find_one({"marker": marker})
        return bool(found is not None and found["status"] == "failed" and "closed" in found["problems"][0])

    await until(is_failed)
    assert await database()["conversations"].count_documents({"user_id": owner}) == 0


async def test_an_account_that_is_closed_meanwhile_ends_its_import(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_TELL_EVERY_S", 0.02)
    held = Held(monkeypatch)
    import_id = await held.begun(ann)
    await database()["users"].delete_one({"_id": ObjectId(ann.tokens["user"]["id"])})
    await until(_nothing_keeps_a_lease)
    held.go.set()
    assert counts(await imported(bob, RAW)) == ("complete", 2, 0, 1)
    ended = await stored(import_id)
    assert (ended["status"], ended["problems"][0]) == ("failed", "The account was closed.")
    assert ended["added"] == 1


async def test_a_conversation_that_the_database_refuses_spoils_no_other(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.add_imported

    async def add_imported(conversation: Any, messages: Any) -> bool:
        if conversation.title == "Two":
            raise DocumentTooLarge("16 MiB")
        return await write(conversation, messages)

    monkeypatch.setattr(store, "add_imported", add_imported)
    ended = await imported(ann, RAW)
    assert counts(ended) == ("complete", 1, 0, 2)
    assert ended["problems"][1] == "Conversation 3: It cannot be stored."


async def test_a_conversation_that_is_too_long_spoils_no_other(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LONGEST_OBJECT", len(orjson.dumps(BRANCHED)) - 1)
    ended = await imported(ann, RAW)
    assert counts(ended) == ("complete", 1, 0, 2)
    assert ended["problems"][0] == "Conversation 1: It is too long, or the file ends in the middle of it."
    assert await titles(ann) == ["Two"]


async def test_a_fault_of_ours_ends_one_import_and_not_the_looker(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(store, "chunk_at", _raising(RuntimeError("a fault")))
        ended = await imported(ann, RAW)
    assert (ended["status"], ended["problems"]) == ("failed", ["The file could not be read to its end."])
    with monkeypatch.context() as broken:
        called = asyncio.Event()
        broken.setattr(store, "claim_import", _raising(RuntimeError("a fault"), called))
        job.look_now()
        async with asyncio.timeout(_ENOUGH_S):
            await called.wait()
    assert counts(await imported(ann, RAW)) == ("complete", 2, 0, 1)


async def test_an_import_goes_on_when_the_database_is_back(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LEASE_S", 0.05)
    called = asyncio.Event()
    with monkeypatch.context() as away:
        away.setattr(store, "chunk_at", _raising(AutoReconnect("away"), called))
        made = await announced(ann)
        await sent(ann, made["id"], RAW)
        async with asyncio.timeout(_ENOUGH_S):
            await called.wait()
        assert (await stored(made["id"]))["status"] == "running"
    job.look_now()
    assert counts(await at_rest(ann, made["id"])) == ("complete", 2, 0, 1)


def _raising(error: Exception, called: asyncio.Event | None = None) -> Callable[..., Awaitable[Any]]:
    async def refuse(*_: Any, **__: Any) -> Any:
        if called is not None:
            called.set()
        raise error

    return refuse


async def test_others_are_served_while_a_conversation_is_read(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    import_id = await held.begun(ann)
    assert (await ann.ok("GET", f"/imports/{import_id}"))["status"] == "running"
    held.go.set()
    assert counts(await at_rest(ann, import_id)) == ("complete", 2, 0, 1)
