"""What the routes of erasures and exports take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Field, Schema

from accounts.personal_data.states import ErasureStatus, ExportStatus
from accounts.store import DataExport
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Body
from eloquent.foundation.personal_data import Treatment

_LONGEST_TOKEN = 200


class CancelToken(Body):
    """The token of the letter, which stands behind the `#` of its link."""

    token: Annotated[str, Field(max_length=_LONGEST_TOKEN)]


class ErasureOut(Schema):
    """An erasure that begins at `due_at`. `receipt` is the token that its receipt is read with: keep it."""

    id: ObjectIdField
    receipt: str
    state: ErasureStatus
    asked_at: datetime
    due_at: datetime


class ErasedPlaceOut(Schema):
    """What became of one place. `count` is null where nothing can be counted."""

    name: str
    what: str
    treatment: Treatment
    count: int | None
    because: str
    kept_for: str


class SignatureOut(Schema):
    """An HMAC over the receipt without it: this service alone can make and check it."""

    algorithm: Literal["HMAC-SHA256"]
    key_id: str
    value: str


class ReceiptOut(Schema):
    """How far an erasure is and, at its end, what was deleted, anonymised and kept. It says nothing of the person."""

    format: Literal["eloquent.erasure-receipt/1"]
    id: ObjectIdField
    state: ErasureStatus
    by_staff: bool
    asked_at: datetime
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    places: list[ErasedPlaceOut]
    signature: SignatureOut | None


class ExportOut(Schema):
    """An export. `documents_done` of about `documents` are in it; `size_bytes` and `sha256` are the file's."""

    id: ObjectIdField
    status: ExportStatus
    documents: int
    documents_done: int
    size_bytes: int
    sha256: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime


class ExportPage(Schema):
    """Exports, newest first."""

    items: list[ExportOut]
    next_cursor: str | None


def export_out(export: DataExport) -> dict[str, Any]:
    """An `ExportOut`."""
    return {**{name: getattr(export, name) for name in ExportOut.model_fields}, "id": str(export.id)}
