"""Between stored documents and the values that stores take and return. Pure.

A field that another version of this program has written is left alone, not tripped over; one that an earlier version
did not write has its default.
"""

from typing import Any, TypeAlias, TypeVar

import msgspec

Document: TypeAlias = dict[str, Any]
_Value = TypeVar("_Value", bound=msgspec.Struct)


def document_of(value: msgspec.Struct) -> Document:
    """The document that stores the value: its fields, `id` as `_id`."""
    fields = msgspec.structs.asdict(value)
    return {"_id": fields.pop("id"), **fields}


def known_value_of(kind: type[_Value], document: Document) -> _Value:
    """The value that the document stores."""
    named = ((name, "_id" if name == "id" else name) for name in kind.__struct_fields__)
    return kind(**{name: document[stored] for name, stored in named if stored in document})


def value_of(kind: type[_Value], document: Document | None) -> _Value | None:
    """The value that the document stores; None for None."""
    return None if document is None else known_value_of(kind, document)
