"""Keys that sign access tokens, as documents. They are written at the desk road alone, by `manage.py jwt`."""

from datetime import datetime

import msgspec
from bson import ObjectId

from eloquent.foundation.database import database
from eloquent.foundation.documents import known_value_of


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key in its place among the others; see `accounts.models.SigningKey` for its fields."""

    id: ObjectId
    number: int
    kid: str
    public_pem: str
    created_at: datetime
    signs_from: datetime
    sealed: str = ""
    retires_at: datetime | None = None
    revoked_at: datetime | None = None


async def signing_keys() -> list[SigningKey]:
    """Every key on record, in their order."""
    found = database().signing_keys.find({}).sort("number", 1)
    return [known_value_of(SigningKey, document) async for document in found]
