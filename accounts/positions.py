"""Cursors of the lists that are ordered newest first: from a position to opaque text and back."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from accounts.store import Position
from eloquent.foundation import cursors
from eloquent.foundation.errors import InvalidInput

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_after(created_at: datetime, object_id: ObjectId) -> str:
    """The cursor of the page that goes on behind this object."""
    return cursors.encode([(created_at - _EPOCH) // timedelta(milliseconds=1), str(object_id)])


def position_of(cursor: str | None) -> Position | None:
    """Where the cursor points; None, the list's beginning, without one.

    Raises:
        InvalidInput: it was not made by `cursor_after`.
    """
    if not cursor:
        return None
    match cursors.decode(cursor):
        case [int(created_ms), str(text)] if 0 <= created_ms < cursors.LATEST_MS and ObjectId.is_valid(text):
            return Position(_EPOCH + timedelta(milliseconds=created_ms), ObjectId(text))
    raise InvalidInput("This cursor is not one of ours.")
