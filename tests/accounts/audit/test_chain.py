"""The chain: whatever is changed, taken out, put in or cut off is found, by who has the key and nothing else."""

import secrets
from datetime import UTC, datetime

import msgspec
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from accounts.audit.actions import Action
from accounts.audit.chain import Fault, Verification, chained, head_at
from accounts.audit.entries import AuditEntry, AuditHead, event_of
from accounts.devices import Device

KEY, OTHER_KEY = secrets.token_bytes(32), secrets.token_bytes(32)
ANN, BOB = ObjectId(), ObjectId()
NOW = datetime(2026, 5, 1, 12, 30, 15, 678000, tzinfo=UTC)


def event(action: Action = Action.SIGNED_IN, subject: ObjectId = ANN, text: str = "") -> object:
    device = Device("192.0.2.7", f"Browser{text}")
    return event_of(
        action,
        at=NOW,
        actor=subject,
        subject=subject,
        target=f"session:{text}",
        request_id="r",
        device=device,
        email="a@example.org",
        facts={"text": text, "many": 3},
    )


def chain(*actions: Action, key: bytes = KEY) -> list[AuditEntry]:
    return chained([event(action) for action in actions or [Action.SIGNED_IN] * 5], behind=None, key=key)  # type: ignore[misc]


def faults(
    entries: list[AuditEntry],
    head: AuditHead | None = None,
    noted: tuple[int, str] | None = None,
    keys: tuple[bytes, ...] = (KEY,),
) -> list[Fault]:
    verification = Verification(keys)
    found = [fault for entry in entries for fault in verification.read(entry)]
    return [*found, *verification.end(head, noted=noted)]


def test_a_chain_that_nobody_touched_has_no_fault() -> None:
    entries = chain()
    assert faults(entries, head_at(entries[-1], key=KEY)) == []
    assert faults([]) == []


def test_a_chain_is_continued_under_a_new_key_while_the_old_one_is_known() -> None:
    entries = chain()
    entries += chained([event()], behind=entries[-1], key=OTHER_KEY)  # type: ignore[list-item]
    head = head_at(entries[-1], key=OTHER_KEY)
    assert faults(entries, head, keys=(OTHER_KEY, KEY)) == []
    assert {fault.what.partition(" (")[0] for fault in faults(entries, head, keys=(OTHER_KEY,))} == {
        "signed with a key that is not known"
    }


@given(
    st.integers(0, 4), st.sampled_from([name for name in AuditEntry.__struct_fields__ if name not in ("id", "number")])
)
def test_every_changed_field_is_found(at: int, field: str) -> None:
    entries = chain()
    was = getattr(entries[at], field)
    other = {"at": datetime(2026, 5, 1, tzinfo=UTC), "actor_id": BOB, "subject_id": BOB}.get(field, f"{was}é")
    changed = [*entries]
    changed[at] = msgspec.structs.replace(entries[at], **{field: other})
    assert faults(changed, head_at(entries[-1], key=KEY))


@given(st.integers(0, 4), st.integers(1, 5))
def test_missing_entries_are_found_wherever_they_were(at: int, many: int) -> None:
    entries = chain()
    head = head_at(entries[-1], key=KEY)
    left = entries[:at] + entries[at + many :]
    found = faults(left, head)
    last = min(at + many, 5)
    assert found[0] == Fault(at + 1, "missing" if last == at + 1 else f"missing, up to {last}")


def test_an_entry_that_somebody_put_in_is_found() -> None:
    entries = chain()
    forged = chained([event(subject=BOB)], behind=entries[1], key=OTHER_KEY)[0]  # type: ignore[list-item]
    assert Fault(3, "there twice") in faults([*entries[:3], forged, *entries[3:]], head_at(entries[-1], key=KEY))
    assert faults([*entries[:2], forged, *entries[3:]], head_at(entries[-1], key=KEY))


def test_a_head_that_is_gone_changed_or_old_is_found() -> None:
    entries = chain()
    head, older = head_at(entries[-1], key=KEY), head_at(entries[2], key=KEY)
    assert [fault.what for fault in faults(entries)] == ["the head is missing: entries behind this one may be, too"]
    assert faults(entries[:3], msgspec.structs.replace(head, number=3)) == [Fault(3, "the head was changed")]
    # Whoever puts back an older head along with the entries is found out by a head that was kept elsewhere.
    assert faults(entries[:3], older) == []
    assert faults(entries[:3], older, noted=(5, head.hash)) == [
        Fault(4, "missing, up to 5 at least: such a head was noted")
    ]
    # A process that died between an entry and the head has not lied.
    assert faults(entries, older) == []


def test_who_it_was_may_be_missing_once_that_person_was_erased() -> None:
    entries = chain(Action.REGISTERED, Action.SIGNED_IN, Action.ERASED)
    emptied = [msgspec.structs.replace(entry, private="") for entry in entries]
    assert faults(emptied, head_at(entries[-1], key=KEY)) == []
    assert len(faults(emptied[:2], head_at(entries[1], key=KEY))) == 2


def test_what_is_erased_cannot_be_guessed_from_what_is_left() -> None:
    """The same person twice leaves two digests: the salt goes with what it salted."""
    first, second = chain(Action.SIGNED_IN, Action.SIGNED_IN)
    assert first.private_digest != second.private_digest


@pytest.mark.parametrize("text", ["\ud800", "x" * 10_000, "\x00", "🫖" * 500])
def test_texts_that_no_one_expects_are_recorded(text: str) -> None:
    entries = chained([event(text=text)], behind=None, key=KEY)  # type: ignore[list-item]
    assert faults(entries, head_at(entries[-1], key=KEY)) == []
    assert len(entries[0].private) < 2000
    assert len(entries[0].facts) <= 2000
    entries[0].private.encode()
