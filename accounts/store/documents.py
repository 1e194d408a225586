"""Between values and documents, and what lists have in common. Pure."""

from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
from bson import ObjectId

Document: TypeAlias = dict[str, Any]
_Value = TypeVar("_Value", bound=msgspec.Struct)


class Position(msgspec.Struct, frozen=True):
    """A place in a list that is ordered newest first: what follows is older."""

    created_at: datetime
    id: ObjectId


def document_of(value: msgspec.Struct) -> Document:
    """The document that stores the value: its fields, `id` as `_id`."""
    fields = msgspec.structs.asdict(value)
    return {"_id": fields.pop("id"), **fields}


def known_value_of(kind: type[_Value], document: Document) -> _Value:
    """The value that the document stores.

    Fields that another version of this program has written are left alone, not tripped over.
    """
    return kind(**{name: document["_id" if name == "id" else name] for name in kind.__struct_fields__})


def value_of(kind: type[_Value], document: Document | None) -> _Value | None:
    """The value that the document stores; None for None."""
    return None if document is None else known_value_of(kind, document)
