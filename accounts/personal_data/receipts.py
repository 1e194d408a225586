"""What an erasure did, place by place, signed so that it can be shown later. It says nothing of the person.

The signature is an HMAC-SHA256, with a key made from SECRET_KEY, over the receipt's JSON without it: keys sorted, no
spaces. Only this service can make one, and say of one that it is its own (`manage.py erasure verify`).
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from accounts.store import Erasure
from eloquent.foundation.personal_data import PersonalStore, Treatment
from eloquent.foundation.sealing import derived_keys

FORMAT: Final = "eloquent.erasure-receipt/1"
_PURPOSE: Final = "erasure receipt"
_KEY_ID_CHARS: Final = 8


def receipt_of(erasure: Erasure, places: Sequence[PersonalStore]) -> dict[str, Any]:
    """The receipt as it stands; `signature` is null until the erasure is complete."""
    if erasure.receipt:
        signed: dict[str, Any] = orjson.loads(erasure.receipt)
        return signed
    return {
        "format": FORMAT,
        "id": str(erasure.id),
        "state": erasure.status.value,
        "by_staff": erasure.by_staff,
        "asked_at": _moment(erasure.asked_at),
        "due_at": _moment(erasure.due_at),
        "started_at": _moment(erasure.started_at),
        "finished_at": _moment(erasure.finished_at),
        "places": [_line(place, erasure.counts) for place in places if erasure.counts or erasure.started_at],
        "signature": None,
    }


def signed(receipt: Mapping[str, Any]) -> str:
    """The receipt with its signature, as the text that is kept."""
    key = derived_keys(_PURPOSE)[0]
    signature = {"algorithm": "HMAC-SHA256", "key_id": _key_id(key), "value": _value(receipt, key)}
    return orjson.dumps({**receipt, "signature": signature}).decode()


def is_genuine(receipt: Mapping[str, Any]) -> bool:
    """Whether we signed just this; also with a key of SECRET_KEY_FALLBACKS."""
    signature = receipt.get("signature")
    if not isinstance(signature, Mapping) or not isinstance(signature.get("value"), str):
        return False
    given = signature["value"].encode("utf-8", "replace")
    return any(hmac.compare_digest(_value(receipt, key).encode(), given) for key in derived_keys(_PURPOSE))


def _line(place: PersonalStore, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": place.name,
        "what": place.what,
        "treatment": place.treatment.value,
        # What lies in no collection of ours cannot be counted.
        "count": None if place.count is None else counts.get(place.name, 0),
        "because": place.because,
        "kept_for": place.kept_for if place.treatment is not Treatment.DELETE else "",
    }


def _value(receipt: Mapping[str, Any], key: bytes) -> str:
    said = {name: value for name, value in receipt.items() if name != "signature"}
    return hmac.digest(key, orjson.dumps(said, option=orjson.OPT_SORT_KEYS), "sha256").hex()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"eloquent receipt key id" + key).hexdigest()[:_KEY_ID_CHARS]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
