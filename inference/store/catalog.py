"""What staff decided about language models."""

from typing import Final

from pymongo import ASCENDING

from eloquent.foundation.database import database
from eloquent.foundation.documents import known_value_of
from inference.store.types import ModelEntry, ModelPrice

LANGUAGE_MODELS: Final = "language_models"
PRICES: Final = "language_model_prices"
MOST_ENTRIES: Final = 500
MOST_PRICES: Final = 5_000


async def model_entries() -> list[ModelEntry]:
    """All of them, at most `MOST_ENTRIES`, in the order of the list."""
    order = [(field, ASCENDING) for field in ("order", "provider", "name", "_id")]
    found = database()[LANGUAGE_MODELS].find({}, sort=order, limit=MOST_ENTRIES, batch_size=MOST_ENTRIES + 1)
    return [known_value_of(ModelEntry, document) for document in await found.to_list()]


async def model_prices() -> list[ModelPrice]:
    """All of them, at most `MOST_PRICES`, those of one entry together, the oldest first."""
    order = [(field, ASCENDING) for field in ("entry_id", "starts_at", "_id")]
    found = database()[PRICES].find({}, sort=order, limit=MOST_PRICES, batch_size=MOST_PRICES + 1)
    return [known_value_of(ModelPrice, document) for document in await found.to_list()]
