"""The cases of what accounts keep beside users, sessions and API keys: the audit, letters, keys that sign tokens."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId

import accounts.store
from accounts.audit.actions import Action
from accounts.audit.chain import chained, head_at
from accounts.audit.entries import AuditEntry, AuditHead, event_of
from accounts.devices import Device
from accounts.store import OutgoingMail, SigningKey
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of

NOW = datetime(2026, 5, 1, 12, 30, 15, 678000, tzinfo=UTC)
LATER = datetime(2126, 5, 1, tzinfo=UTC)
KEY = secrets.token_bytes(32)
PEOPLE = [ObjectId() for _ in range(5)]


def _event(person: ObjectId) -> Any:
    device = Device("192.0.2.7", "Browser/1.0")
    return event_of(
        Action.SIGNED_IN,
        at=NOW,
        actor=person,
        subject=person,
        target="session:1",
        request_id="r-1",
        device=device,
        email="ann@example.org",
        facts={"proof": "password"},
    )


ENTRIES = chained([_event(person) for _ in range(20) for person in PEOPLE], behind=None, key=KEY)
NEXT = chained([_event(PEOPLE[0])], behind=ENTRIES[-1], key=KEY)
HEAD = head_at(ENTRIES[-1], key=KEY)
MAIL = OutgoingMail(
    id=ObjectId(),
    user_id=PEOPLE[0],
    kind="password_changed",
    sealed="gAAA",
    created_at=NOW,
    due_at=NOW,
    expires_at=LATER,
    attempts=2,
)
SIGNING_KEY = SigningKey(
    id=ObjectId(),
    number=30,
    kid="k" * 43,
    public_pem="-----BEGIN PUBLIC KEY-----",
    sealed="gAAA",
    created_at=NOW,
    signs_from=NOW,
    retires_at=LATER,
    revoked_at=NOW,
)


async def write(_world: Any) -> None:
    """Everything of these rooms."""
    keys = [msgspec.structs.replace(SIGNING_KEY, id=ObjectId(), number=n, kid=str(n)) for n in range(1, 4)]
    await database().signing_keys.insert_many([document_of(key) for key in keys])
    await accounts.store.add_audit_entries(ENTRIES)
    await accounts.store.move_audit_head(HEAD)
    mails = [msgspec.structs.replace(MAIL, id=ObjectId(), due_at=NOW + timedelta(days=days)) for days in range(-5, 20)]
    await database().outgoing_mail.insert_many([document_of(mail) for mail in mails])
    await accounts.store.add_mail(MAIL)


async def _read_entry(_entry: AuditEntry) -> AuditEntry | None:
    return await accounts.store.last_audit_entry()


async def _read_mail(mail: OutgoingMail) -> OutgoingMail | None:
    document = await database().outgoing_mail.find_one({"_id": mail.id})
    return None if document is None else known_value_of(OutgoingMail, document)


async def _write_key(key: SigningKey) -> None:
    await database().signing_keys.insert_one(document_of(key))


async def _read_key(key: SigningKey) -> SigningKey | None:
    return next((read for read in await accounts.store.signing_keys() if read.id == key.id), None)


async def _write_entry(entry: AuditEntry) -> None:
    await accounts.store.add_audit_entries([entry])


async def _read_head(_head: AuditHead) -> AuditHead | None:
    return await accounts.store.audit_head()


# A stored type: one full value of it, and how the store writes and reads one.
KINDS: dict[type[msgspec.Struct], tuple[Callable[[Any], Any], Callable[[Any], Awaitable[Any]], Any]] = {
    AuditEntry: (lambda _: ENTRIES[0], _write_entry, _read_entry),
    AuditHead: (lambda _: HEAD, accounts.store.move_audit_head, _read_head),
    OutgoingMail: (lambda _: MAIL, accounts.store.add_mail, _read_mail),
    SigningKey: (lambda _: SIGNING_KEY, _write_key, _read_key),
}

CALLS: dict[str, list[Callable[[Any], Awaitable[Any]]]] = {
    "last_audit_entry": [lambda _: accounts.store.last_audit_entry()],
    "add_audit_entries": [
        lambda _: accounts.store.add_audit_entries(NEXT),
        lambda _: accounts.store.add_audit_entries([msgspec.structs.replace(NEXT[0], id=ObjectId())]),
    ],
    "audit_head": [lambda _: accounts.store.audit_head()],
    "move_audit_head": [lambda _: accounts.store.move_audit_head(HEAD)],
    "audit_entries_of": [
        lambda _: accounts.store.audit_entries_of(PEOPLE[0], before=None, limit=5),
        lambda _: accounts.store.audit_entries_of(PEOPLE[0], before=40, limit=5),
        lambda _: accounts.store.audit_entries_of(PEOPLE[0], before=40, limit=5, but=["staff.viewed"]),
    ],
    "erase_private_parts_of": [lambda _: accounts.store.erase_private_parts_of(PEOPLE[1])],
    "add_mail": [lambda _: accounts.store.add_mail(msgspec.structs.replace(MAIL, id=ObjectId()))],
    "claim_mail": [
        lambda _: accounts.store.claim_mail(at=NOW, until=LATER),
        lambda _: accounts.store.claim_mail(at=NOW - timedelta(days=30), until=LATER),
    ],
    "put_mail_off": [lambda _: accounts.store.put_mail_off(MAIL.id, until=LATER)],
    "remove_mail": [lambda _: accounts.store.remove_mail(MAIL.id)],
    "signing_keys": [lambda _: accounts.store.signing_keys()],
    "devices_of": [lambda world: accounts.store.devices_of(world.owner.id, but=world.session.id, limit=20)],
    "ended_among": [
        lambda world: accounts.store.ended_among({each.id for each in world.sessions[:5]}, at=NOW),
        lambda world: accounts.store.ended_among({world.session.id, ObjectId()}, at=NOW),
    ],
    "inactive_among": [
        lambda world: accounts.store.inactive_among({world.owner.id}),
        lambda world: accounts.store.inactive_among({world.owner.id, ObjectId()}),
    ],
    "revoked_among": [
        lambda world: accounts.store.revoked_among({world.api_key.id}),
        lambda world: accounts.store.revoked_among({world.api_key.id, ObjectId()}),
    ],
    "note_seen": [lambda world: accounts.store.note_seen([world.session.id], at=LATER)],
}
