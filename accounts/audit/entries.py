"""What an audit entry is made of. Pure."""

import hashlib
import secrets
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.devices import Device
from eloquent.foundation.ids import UserId

MAX_FACTS_CHARS: Final = 2000
MAX_USER_AGENT_CHARS: Final = 300
_MAX_TEXT_CHARS: Final = 120
_SALT_BYTES: Final = 16


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An event in its place in the chain; see `accounts.models.AuditEntry` for its fields."""

    id: ObjectId
    number: int
    at: datetime
    action: str
    actor_id: UserId | None
    subject_id: UserId | None
    target: str
    request_id: str
    facts: str
    private: str
    private_digest: str
    key_id: str
    previous_hash: str
    hash: str


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain ends; see `accounts.models.AuditHead` for its fields."""

    number: int
    hash: str
    key_id: str
    signature: str
    id: str = "head"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, before it has a place in the chain.

    `private` is what can be traced to a person: it is salted, and the chain holds no more than its digest, so that it
    can be taken out when that person's account is erased.
    """

    at: datetime
    action: Action
    actor_id: UserId | None
    subject_id: UserId | None
    target: str
    request_id: str
    facts: str
    private: str


def event_of(
    action: Action,
    *,
    at: datetime,
    actor: UserId | None,
    subject: UserId | None,
    target: str,
    request_id: str | None,
    device: Device | None,
    email: str,
    facts: dict[str, Any],
) -> Event:
    """The event, with texts that fit and that UTF-8 can carry."""
    person = {"email": _plain(email)}
    if device is not None:
        person |= {"address": _plain(device.address), "user_agent": _plain(device.user_agent, MAX_USER_AGENT_CHARS)}
    known = {name: value for name, value in person.items() if value}
    private = _json({**known, "salt": secrets.token_hex(_SALT_BYTES)}) if known else ""
    short = {name: _plain(value) if isinstance(value, str) else value for name, value in facts.items()}
    text = _json(short)
    return Event(
        at=at,
        action=action,
        actor_id=actor,
        subject_id=subject,
        target=_plain(target),
        request_id=request_id or "",
        facts=text if len(text) <= MAX_FACTS_CHARS else _json({"left_out": True}),
        private=private,
    )


def digest_of(private: str) -> str:
    """What the chain holds in place of the private part: its SHA-256 in hex."""
    return hashlib.sha256(private.encode()).hexdigest()


def _plain(text: str, most: int = _MAX_TEXT_CHARS) -> str:
    return text[:most].encode("utf-8", "replace").decode()


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode()
