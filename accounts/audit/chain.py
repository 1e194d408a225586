"""The chain of audit entries: each is signed together with the one before it. Pure.

An entry's hash is an HMAC-SHA256, with a key made from SECRET_KEY, over all of its fields and the hash before it. So
whoever can write to the database and does not have that key can neither change an entry nor take one out or put one in
without the chain showing it. The head says where the chain ends, so that its last entries cannot be missing unseen;
who puts an older head back as well is found out by a head that was noted elsewhere (`manage.py audit head`).
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
import orjson
from bson import ObjectId

from accounts.audit.actions import Action
from accounts.audit.entries import AuditEntry, AuditHead, Event, digest_of

_KEY_ID_CHARS = 8


class Fault(msgspec.Struct, frozen=True):
    """Something is wrong at this number of the chain."""

    number: int
    what: str


def key_id_of(key: bytes) -> str:
    """How entries name the key that they were signed with; it tells nothing of the key."""
    return hashlib.sha256(b"eloquent audit key id" + key).hexdigest()[:_KEY_ID_CHARS]


def chained(events: Iterable[Event], *, behind: AuditEntry | None, key: bytes) -> list[AuditEntry]:
    """The events as entries that follow `behind`, the last entry so far."""
    number, previous = (0, "") if behind is None else (behind.number, behind.hash)
    entries = []
    for event in events:
        number += 1
        entry = AuditEntry(
            id=ObjectId(),
            number=number,
            at=event.at,
            action=event.action.value,
            actor_id=event.actor_id,
            subject_id=event.subject_id,
            target=event.target,
            request_id=event.request_id,
            facts=event.facts,
            private=event.private,
            private_digest=digest_of(event.private),
            key_id=key_id_of(key),
            previous_hash=previous,
            hash="",
        )
        entry = msgspec.structs.replace(entry, hash=_hash(entry, key))
        entries.append(entry)
        previous = entry.hash
    return entries


def head_at(entry: AuditEntry, *, key: bytes) -> AuditHead:
    """The head of a chain that ends with this entry."""
    key_id = key_id_of(key)
    return AuditHead(
        number=entry.number, hash=entry.hash, key_id=key_id, signature=_signed(entry.number, entry.hash, key)
    )


class Verification:
    """Reads a chain from its beginning and collects what is wrong with it.

    Args:
        keys: all keys that may have signed, in any order.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys: Mapping[str, bytes] = {key_id_of(key): key for key in keys}
        self._last: AuditEntry | None = None
        # Entries without their private part, by those whom they name.
        self._emptied: list[AuditEntry] = []
        self._erased: set[ObjectId] = set()
        self.entries = 0

    @property
    def last(self) -> AuditEntry | None:
        """The entry read last."""
        return self._last

    def read(self, entry: AuditEntry) -> Iterator[Fault]:
        """What is wrong with the next entry."""
        self.entries += 1
        expected, previous = (1, "") if self._last is None else (self._last.number + 1, self._last.hash)
        self._last = entry
        if entry.number > expected:
            last = entry.number - 1
            yield Fault(expected, "missing" if last == expected else f"missing, up to {last}")
        elif entry.number < expected:
            yield Fault(entry.number, "there twice")
        elif not _same(entry.previous_hash, previous):
            yield Fault(entry.number, "does not follow the entry before it")
        key = self._keys.get(entry.key_id)
        if key is None:
            yield Fault(entry.number, f"signed with a key that is not known ({entry.key_id})")
        elif not _same(entry.hash, _hash(entry, key)):
            yield Fault(entry.number, "changed")
        if not _same(entry.private_digest, digest_of(entry.private)):
            if entry.private:
                yield Fault(entry.number, "changed: who it was")
            else:
                self._emptied.append(entry)
        if entry.action == Action.ERASED and entry.subject_id is not None:
            self._erased.add(entry.subject_id)

    def end(self, head: AuditHead | None, *, noted: tuple[int, str] | None = None) -> Iterator[Fault]:
        """What is wrong with the chain's end. `noted` is the number and hash of a head that was kept elsewhere."""
        for entry in self._emptied:
            if not {entry.actor_id, entry.subject_id} & self._erased:
                yield Fault(entry.number, "who it was is missing, and nobody it names was erased")
        number = 0 if self._last is None else self._last.number
        if head is None:
            if number:
                yield Fault(number, "the head is missing: entries behind this one may be, too")
        else:
            yield from self._faults_of(head, number)
        if noted is not None and noted[0] > number:
            yield Fault(number + 1, f"missing, up to {noted[0]} at least: such a head was noted")

    def _faults_of(self, head: AuditHead, number: int) -> Iterator[Fault]:
        key = self._keys.get(head.key_id)
        if key is None or not _same(head.signature, _signed(head.number, head.hash, key)):
            yield Fault(head.number, "the head was changed")
        elif head.number > number:
            last = head.number
            yield Fault(number + 1, "missing" if last == number + 1 else f"missing, up to {last}")


def _hash(entry: AuditEntry, key: bytes) -> str:
    said = [
        entry.number,
        _milliseconds(entry.at),
        entry.action,
        str(entry.actor_id or ""),
        str(entry.subject_id or ""),
        entry.target,
        entry.request_id,
        entry.facts,
        entry.private_digest,
        entry.key_id,
        entry.previous_hash,
    ]
    return hmac.digest(key, orjson.dumps(said), "sha256").hex()


def _signed(number: int, entry_hash: str, key: bytes) -> str:
    return hmac.digest(key, f"head {number} {entry_hash}".encode(), "sha256").hex()


def _same(stored: str, right: str) -> bool:
    return hmac.compare_digest(stored.encode(errors="replace"), right.encode())


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
