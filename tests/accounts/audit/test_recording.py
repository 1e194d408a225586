"""Recording: every event once and in order, from many at once and from both roads, whatever the database does."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from pymongo.errors import AutoReconnect

from accounts import store
from accounts.audit import recording
from accounts.audit.actions import Action
from accounts.audit.chain import Verification
from accounts.audit.entries import AuditEntry
from accounts.audit.recording import KEY_PURPOSE, record, record_from_desk, settle_audit
from accounts.devices import Device
from eloquent.foundation.database import database
from eloquent.foundation.documents import known_value_of
from eloquent.foundation.logs import request_id_var
from eloquent.foundation.sealing import derived_keys

pytestmark = pytest.mark.django_db


async def entries() -> list[AuditEntry]:
    found = database().audit.find({}).sort("number", 1)
    return [known_value_of(AuditEntry, document) async for document in found]


async def faults() -> list[Any]:
    verification = Verification(derived_keys(KEY_PURPOSE))
    found = [fault for entry in await entries() for fault in verification.read(entry)]
    return [*found, *verification.end(await store.audit_head())]


async def test_what_comes_at_the_same_time_is_one_chain() -> None:
    subjects = [ObjectId() for _ in range(250)]
    await asyncio.gather(*(record(Action.SIGNED_IN, subject=subject) for subject in subjects))
    recorded = await entries()
    assert [entry.number for entry in recorded] == list(range(1, 251))
    assert [entry.subject_id for entry in recorded] == subjects
    assert await faults() == []
    head = await store.audit_head()
    assert head is not None
    assert head.number == 250


async def test_whoever_writes_for_everybody_logs_in_nobodys_name(monkeypatch: pytest.MonkeyPatch) -> None:
    whose = []
    append = recording._append

    async def noted(events: list[Any]) -> int:
        whose.append(request_id_var.get())
        return await append(events)

    monkeypatch.setattr(recording, "_append", noted)
    token = request_id_var.set("the-first-one")
    await record(Action.SIGNED_IN, subject=ObjectId())
    request_id_var.reset(token)
    assert whose == [None]
    assert [entry.request_id for entry in await entries()] == ["the-first-one"]


async def test_both_roads_write_the_same_chain_at_the_same_time() -> None:
    desk = sync_to_async(record_from_desk, thread_sensitive=False)
    await asyncio.gather(
        *(record(Action.SIGNED_IN, facts_number=number) for number in range(20)),
        *(desk(Action.STAFF_VIEWED, target=f"accounts.user:{number}") for number in range(10)),
    )
    assert len(await entries()) == 30
    assert await faults() == []


async def test_a_device_and_an_email_are_kept_where_they_can_be_erased() -> None:
    person = ObjectId()
    device = Device("192.0.2.7", "Browser/1.0")
    await record(Action.REGISTERED, actor=person, subject=person, device=device, email="ann@example.org", proof="x")
    [entry] = await entries()
    assert "192.0.2.7" in entry.private
    assert "ann@example.org" in entry.private
    assert "192.0.2.7" not in entry.facts + entry.target
    await record(Action.ERASED, subject=person)
    assert await store.erase_private_parts_of(person) == 1
    assert (await entries())[0].private == ""
    assert await faults() == []


async def test_while_the_database_is_away_nothing_fails_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    away = asyncio.Event()
    add = store.add_audit_entries

    async def broken(entries: Any) -> int:
        if not away.is_set():
            raise AutoReconnect
        return await add(entries)

    monkeypatch.setattr(store, "add_audit_entries", broken)
    monkeypatch.setattr(recording, "WAITED_FOR_S", 0.01)
    monkeypatch.setattr(recording, "_TRY_AGAIN_S", 0.01)
    await record(Action.SIGNED_IN, target="1")
    await record(Action.SIGNED_OUT, target="2")
    assert await entries() == []
    away.set()
    monkeypatch.setattr(recording, "WAITED_FOR_S", 2.0)
    await record(Action.SIGNED_IN, target="3")
    assert [entry.target for entry in await entries()] == ["1", "2", "3"]
    await settle_audit()
    assert await faults() == []


async def test_another_process_that_is_first_takes_no_number_away(monkeypatch: pytest.MonkeyPatch) -> None:
    last, raced = store.last_audit_entry, False

    async def overtaken() -> AuditEntry | None:
        nonlocal raced
        found = await last()
        if not raced:
            raced = True
            await sync_to_async(record_from_desk, thread_sensitive=False)(Action.STAFF_VIEWED)
        return found

    monkeypatch.setattr(store, "last_audit_entry", overtaken)
    await record(Action.SIGNED_IN)
    assert [entry.action for entry in await entries()] == ["staff.viewed", "session.signed_in"]
    assert await faults() == []
