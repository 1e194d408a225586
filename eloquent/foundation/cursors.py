"""Opaque cursors: where a list goes on, as URL-safe text that means nothing to a client."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import orjson

from eloquent.foundation.errors import InvalidInput

LONGEST: Final = 500
"""Characters."""

# The first millisecond of the year 10000, which no time of ours reaches.
LATEST_MS: Final = 253_402_300_800_000


def encode(position: list[Any]) -> str:
    """The cursor of a position made of JSON values."""
    return urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode("ascii")


def decode(cursor: str) -> Any:
    """The position that `encode` was given; the caller checks its shape.

    Raises:
        InvalidInput: the text was not made by `encode`.
    """
    try:
        if len(cursor) > LONGEST:
            raise ValueError("too long")
        return orjson.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise InvalidInput("This cursor is not one of ours.") from None
