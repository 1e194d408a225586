"""How many answers a server is asked for at once, and how many may wait for it: `MODEL_SLOTS` and `MODEL_QUEUE`."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from eloquent.foundation.config import get_config
from inference.providers.base import HOST_OF


class Limit(msgspec.Struct, frozen=True):
    """At most `slots` calls at work, and `waiting` more that wait."""

    slots: int
    waiting: int


def limit_of(server: str) -> Limit | None:
    """The limit in front of the server with this name, which begins with its provider's; None when it has none."""
    config = get_config()
    return _limits(config.model_slots, config.model_queue).get(server.partition(HOST_OF)[0])


@lru_cache(maxsize=8)
def _limits(slots: tuple[str, ...], waiting: int) -> Mapping[str, Limit]:
    pairs = (entry.partition("=") for entry in slots)
    return {name: Limit(int(number), waiting) for name, _, number in pairs}
