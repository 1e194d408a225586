"""The keys of this process, read from the configuration once."""

from functools import lru_cache

from accounts.tokens import KeyRing
from eloquent.foundation.config import get_config


@lru_cache(maxsize=1)
def key_ring() -> KeyRing:
    """Signs and verifies the access tokens of this deployment."""
    config = get_config()
    previous = config.jwt_previous_key
    return KeyRing(config.jwt_private_key.get_secret_value(), previous.get_secret_value() if previous else None)
