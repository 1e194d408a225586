"""Secrets at rest: sealed with keys made from SECRET_KEY, so that a copy of the database alone opens nothing.

Every purpose has a key of its own (HKDF, RFC 5869), so what was sealed for one cannot be passed off as another's. When
SECRET_KEY changes, the one before it goes into SECRET_KEY_FALLBACKS and goes on opening what it sealed.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from eloquent.foundation.config import get_config

_KEY_BYTES = 32


class SealBroken(ValueError):
    """The text was sealed with a key that is not known here, for another purpose, or it was changed."""


def seal(plain: bytes, purpose: str) -> str:
    """The text that only `unseal` with the same purpose opens; different each time."""
    return _box(purpose).encrypt(plain).decode("ascii")


def unseal(text: str, purpose: str) -> bytes:
    """What was sealed.

    Raises:
        SealBroken: not by us, not for this purpose, or changed since.
    """
    try:
        return _box(purpose).decrypt(text.encode("ascii", errors="replace"))
    except InvalidToken as error:
        raise SealBroken(f"What was sealed for {purpose} cannot be opened.") from error


@lru_cache(maxsize=64)
def derived_keys(purpose: str) -> tuple[bytes, ...]:
    """The keys of 32 bytes for the purpose: today's, then those of SECRET_KEY_FALLBACKS."""
    config = get_config()
    texts = (config.secret_key.get_secret_value(), *config.earlier_secret_keys)
    return tuple(_derived(text, purpose) for text in texts)


def _derived(secret: str, purpose: str) -> bytes:
    derivation = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=f"eloquent {purpose}".encode())
    return derivation.derive(secret.encode())


@lru_cache(maxsize=64)
def _box(purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived_keys(purpose)])
