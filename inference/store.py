"""The request road's only way to what staff decided about language models; only this module knows documents."""

from typing import Final

import msgspec
from bson import ObjectId
from pymongo import ASCENDING

from eloquent.foundation.database import database

LANGUAGE_MODELS: Final = "language_models"
MOST_ENTRIES: Final = 500


class ModelEntry(msgspec.Struct, frozen=True):
    """Has every field of its model in `inference.models`. What is None or empty was not decided."""

    id: ObjectId
    provider: str
    name: str
    title: str = ""
    enabled: bool = True
    is_default: bool = False
    order: int = 100
    context_window: int | None = None
    fallbacks: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    thinking: bool | None = None
    keep_alive: str = ""
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None

    @property
    def model_id(self) -> str:
        """What conversations store."""
        return f"{self.provider}/{self.name}"


async def model_entries() -> list[ModelEntry]:
    """All of them, at most `MOST_ENTRIES`, in the order of the list."""
    order = [(field, ASCENDING) for field in ("order", "provider", "name", "_id")]
    found = database()[LANGUAGE_MODELS].find({}, sort=order, limit=MOST_ENTRIES, batch_size=MOST_ENTRIES + 1)
    return [_entry(document) for document in await found.to_list()]


def _entry(document: dict[str, object]) -> ModelEntry:
    # Fields are named one by one: one that another version of this program has written is left alone.
    values = {name: document[name] for name in ModelEntry.__struct_fields__[1:] if name in document}
    return ModelEntry(id=document["_id"], **values)  # type: ignore[arg-type]
