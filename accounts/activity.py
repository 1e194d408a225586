"""What is on record of an account, as its owner may see it.

The record holds more than is the owner's to know: from which address a member of staff did something, say. So what
belongs to a person is shown when that person is the owner, or nobody knows who it was: a stranger at the owner's door.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec
import orjson

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.entries import AuditEntry
from accounts.devices import device_label
from eloquent.foundation import cursors
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import UserId

# Staff who only look are on record for those who answer for staff.
NOT_SHOWN: Final = (Action.STAFF_VIEWED, Action.STAFF_SEARCHED)
# Done by somebody who was not let in, at a door of the owner's: from where is what the owner wants to know.
AT_THE_DOOR: Final = frozenset(
    {
        Action.SIGN_IN_FAILED,
        Action.SIGN_IN_LOCKED,
        Action.REFRESH_TOKEN_REUSED,
        Action.SECOND_FACTOR_FAILED,
        Action.PASSWORD_RESET_ASKED,
    }
)
_LARGEST_NUMBER: Final = 2**63


class By(StrEnum):
    """Who did it, as far as its owner is told."""

    YOU = "you"
    STAFF = "staff"
    UNKNOWN = "unknown"


class Activity(msgspec.Struct, frozen=True):
    """One event. `ip` and `user_agent` are empty where they are somebody else's."""

    entry: AuditEntry
    by: By
    ip: str = ""
    user_agent: str = ""

    @property
    def device(self) -> str:
        """What the device is called; empty where it is not told."""
        return device_label(self.user_agent) if self.user_agent else ""


async def activity_of(owner: UserId, *, before: int | None, limit: int) -> list[Activity]:
    """What happened to the owner's account, newest first; `before` is the number of the entry to go on behind."""
    entries = await store.audit_entries_of(owner, before=before, limit=limit, but=NOT_SHOWN)
    return [as_shown(entry, owner) for entry in entries]


def as_shown(entry: AuditEntry, owner: UserId) -> Activity:
    """The entry with what its owner may see of it."""
    by = _by(entry, owner)
    if by is By.STAFF or (by is By.UNKNOWN and entry.action not in AT_THE_DOOR):
        return Activity(entry, by)
    private: dict[str, Any] = orjson.loads(entry.private) if entry.private else {}
    return Activity(entry, by, str(private.get("address", "")), str(private.get("user_agent", "")))


def _by(entry: AuditEntry, owner: UserId) -> By:
    if entry.actor_id is None:
        return By.UNKNOWN
    return By.YOU if entry.actor_id == owner else By.STAFF


def cursor_behind(activity: Activity) -> str:
    """The cursor of the page that goes on behind this one."""
    return cursors.encode([activity.entry.number])


def number_of(cursor: str | None) -> int | None:
    """Behind which number to go on; None, the beginning, without a cursor.

    Raises:
        InvalidInput: it was not made by `cursor_behind`.
    """
    if not cursor:
        return None
    match cursors.decode(cursor):
        case [int(number)] if 0 < number < _LARGEST_NUMBER and not isinstance(number, bool):
            return number
    raise InvalidInput("This cursor is not one of ours.")
