"""The providers that the settings name."""

from collections.abc import Mapping
from functools import lru_cache

from eloquent.foundation.config import get_config
from eloquent.foundation.errors import NotFound
from eloquent.foundation.openid_providers import Provider, provider_list


def providers() -> Mapping[str, Provider]:
    """All of them, by name."""
    return _read(get_config().openid_providers.get_secret_value())


def provider_named(name: str) -> Provider:
    """The provider.

    Raises:
        NotFound: none has this name.
    """
    provider = providers().get(name)
    if provider is None:
        raise NotFound
    return provider


def provider_at(issuer: str) -> Provider | None:
    """The provider with this issuer, of which there is one at most; None when the settings name it no more."""
    return next((provider for provider in providers().values() if provider.issuer == issuer), None)


@lru_cache(maxsize=4)
def _read(text: str) -> Mapping[str, Provider]:
    return provider_list(text)
