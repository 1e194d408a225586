"""Identifiers: ObjectIds inside, 24 hex digits at the edges."""

import re
from typing import Annotated, Any, TypeAlias

from bson import ObjectId
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from eloquent.foundation.errors import InvalidInput

UserId: TypeAlias = ObjectId
SessionId: TypeAlias = ObjectId
ApiKeyId: TypeAlias = ObjectId
ConversationId: TypeAlias = ObjectId
MessageId: TypeAlias = ObjectId
RunId: TypeAlias = ObjectId
ImportId: TypeAlias = ObjectId
AttachmentId: TypeAlias = ObjectId

_HEX = re.compile(r"[0-9a-f]{24}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether the text is an id of ours: 24 lower-case hex digits."""
    return _HEX.fullmatch(text) is not None


def parse_id(text: str) -> ObjectId:
    """The id written as 24 lower-case hex digits.

    Raises:
        InvalidInput: anything else.
    """
    if not _HEX.fullmatch(text):
        raise InvalidInput("This is not an id: 24 hex digits are expected.")
    return ObjectId(text)


def id_after(parent: ObjectId | None) -> ObjectId:
    """A new id that sorts after its parent's.

    Two processes may make ids in the same second whose order is chance. A tree that is read by walking ids
    downwards needs every child to sort after its parent, so a child that would not takes the next second.
    """
    fresh = ObjectId()
    if parent is None or fresh > parent:
        return fresh
    seconds = int.from_bytes(parent.binary[:4], "big") + 1
    return ObjectId(seconds.to_bytes(4, "big") + fresh.binary[4:])


def _from_hex(value: Any) -> ObjectId:
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and _HEX.fullmatch(value):
        return ObjectId(value)
    raise ValueError("24 hex digits are expected")


# For ninja and pydantic: hex in, ObjectId inside, hex out, and the pattern in the OpenAPI document.
ObjectIdField = Annotated[
    Any,
    BeforeValidator(_from_hex),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{24}$"}),
]
