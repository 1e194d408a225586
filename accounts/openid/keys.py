"""A provider's public keys, and which of them a token may be signed with. Pure.

The key decides about the algorithm, not the token: each key takes one or two of ours and no other. So a token cannot
ask for `none`, nor for HMAC with the public key as its secret, and a provider cannot allow it either.
"""

from typing import Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
MOST_KEYS: Final = 50
_SMALLEST_RSA_BITS: Final = 2048
_PUBLIC_MEMBERS: Final = frozenset({"kty", "use", "alg", "kid", "n", "e", "crv", "x", "y", "key_ops"})


class PublicKey(msgspec.Struct, frozen=True):
    """A key that signs, with the algorithms that it may be used for."""

    kid: str | None
    algorithms: frozenset[str]
    key: Key


class KeyUnknown(Exception):
    """None of the keys can be the one that the token was signed with."""


def keys_in(document: bytes) -> tuple[PublicKey, ...]:
    """Those keys of a JWK Set (RFC 7517) that we can use; what else is in it is passed over.

    Raises:
        ValueError: it is no JWK Set, or one with too many keys.
    """
    try:
        told = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    entries = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise ValueError(f"it is no set of at most {MOST_KEYS} keys")
    return tuple(key for entry in entries if isinstance(entry, dict) and (key := _key(entry)))


def key_for(keys: tuple[PublicKey, ...], *, algorithm: str, kid: str | None) -> Key:
    """The key of a token with this header. A token without `kid` is taken where one key alone can be meant.

    Raises:
        KeyUnknown: there is none, or more than one.
    """
    fitting = [one for one in keys if algorithm in one.algorithms and (kid is None or one.kid == kid)]
    if len(fitting) != 1:
        raise KeyUnknown
    return fitting[0].key


def _key(entry: dict[str, Any]) -> PublicKey | None:
    """The key; None for one of another kind or purpose, too short, or malformed."""
    if entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid", ""), str):
        return None
    try:
        key = import_key({name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS})
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    algorithms = _algorithms_of(key)
    if "alg" in entry:
        algorithms &= {str(entry["alg"])}
    return PublicKey(entry.get("kid"), algorithms, key) if algorithms else None


def _algorithms_of(key: Key) -> frozenset[str]:
    if isinstance(key, RSAKey) and key.public_key.key_size >= _SMALLEST_RSA_BITS:
        return frozenset({"RS256", "PS256"})
    if isinstance(key, ECKey) and key.curve_name == "P-256":
        return frozenset({"ES256"})
    if isinstance(key, OKPKey) and key.curve_name == "Ed25519":
        return frozenset({"EdDSA"})
    return frozenset()
