"""Recovery codes: what lets in an owner whose other factors are lost, each once. Pure.

A code is 140 random bits in Crockford's base32, which has no letters that are taken for digits. So much cannot be
guessed, over the wire or against a stolen hash, and a plain SHA-256 is enough; the user's id in it makes a search for
the codes of all users at once no cheaper than one for each. No key goes into it: the codes are for bad days, and
SECRET_KEY being lost is one.
"""

import hashlib
import secrets
from typing import Final

from eloquent.foundation.ids import UserId

MANY: Final = 10
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_CHARS: Final = 28
_GROUP: Final = 4
_READ_AS: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None})


def new_codes() -> list[str]:
    """Ten codes as people write them: `k3h7-9xqm-2r4t-v8wz-0b5n-jc6y-d1se`."""
    return [_written("".join(secrets.choice(_ALPHABET) for _ in range(_CHARS))) for _ in range(MANY)]


def hash_of_code(owner: UserId, code: str) -> str | None:
    """How the owner's code is stored, in whatever case and grouping it was typed; None for what cannot be a code."""
    letters = "".join(code.lower().split()).translate(_READ_AS)
    if len(letters) != _CHARS or not set(letters) <= set(_ALPHABET):
        return None
    return hashlib.sha256(owner.binary + letters.encode()).hexdigest()


def _written(letters: str) -> str:
    return "-".join(letters[at : at + _GROUP] for at in range(0, _CHARS, _GROUP))
