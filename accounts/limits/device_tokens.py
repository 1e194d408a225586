"""Device tokens: what a device keeps of an account that has signed in on it, so that strangers' guesses do not slow it.

After https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies: a token is bound to one
email, which is not in it, and lets nobody in; it says only that whoever has it signed in once. A nonce makes each its
own, so that guesses with a token that was stolen are counted by that token.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from typing import Final

from eloquent.foundation.sealing import derived_keys

KNOWN_FOR_S: Final = 180 * 24 * 3600
TOKEN_CHARS: Final = 44

_PURPOSE: Final = "device token"
_NONCE: Final = slice(0, 12)
_ISSUED: Final = slice(12, 17)
_SIGNED: Final = slice(0, 17)
_SIGNATURE: Final = slice(17, 33)
_SIGNATURE_BYTES: Final = 16


def new_token(email: str) -> str:
    """A token of this device for the account with the email, in its stored form."""
    signed = secrets.token_bytes(12) + int(time.time()).to_bytes(5, "big")
    return base64.urlsafe_b64encode(signed + _signature(signed, email, derived_keys(_PURPOSE)[0])).decode("ascii")


def known_device(tokens: Iterable[str], email: str) -> str | None:
    """The nonce of the first token that is of this account and not too old; None when there is none."""
    for token in tokens:
        raw = _raw(token)
        if raw is None or not 0 <= time.time() - int.from_bytes(raw[_ISSUED], "big") <= KNOWN_FOR_S:
            continue
        for key in derived_keys(_PURPOSE):
            if hmac.compare_digest(raw[_SIGNATURE], _signature(raw[_SIGNED], email, key)):
                return raw[_NONCE].hex()
    return None


def _raw(token: str) -> bytes | None:
    if len(token) != TOKEN_CHARS:
        return None
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


def _signature(signed: bytes, email: str, key: bytes) -> bytes:
    return hmac.digest(key, signed + email.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]
