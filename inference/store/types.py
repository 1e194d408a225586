"""What staff decided about language models, as values. Each has every field of its model in `inference.models`."""

from datetime import datetime

import msgspec
from bson import ObjectId


class ModelEntry(msgspec.Struct, frozen=True):
    """What is None or empty was not decided. `groups` are the ids of those who may use it; with none, everyone."""

    id: ObjectId
    provider: str
    name: str
    title: str = ""
    enabled: bool = True
    is_default: bool = False
    capabilities: list[str] = []
    groups: list[ObjectId] = []
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


class ModelPrice(msgspec.Struct, frozen=True):
    """What a million tokens cost from a moment on, in millionths of the currency. Cached input: as other when None."""

    id: ObjectId
    entry_id: ObjectId
    starts_at: datetime
    input_micros: int
    output_micros: int
    cached_input_micros: int | None = None
