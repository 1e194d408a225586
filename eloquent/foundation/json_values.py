"""JSON as all of us can keep and write it: the bounds of MongoDB and of our JSON writers are narrower. Pure."""

import math
from typing import Any, Final

_FIRST_TOO_LARGE: Final = 2**63


def is_storable(value: Any, *, levels: int) -> bool:
    """Whether the value of parsed JSON can be stored and written again, nested at most `levels` deep.

    Not those with integers beyond 64 bits, numbers that are none, half a character, or a NUL in a name.
    """
    if isinstance(value, str):
        return _is_whole(value)
    if isinstance(value, dict):
        inside = all("\0" not in name and _is_whole(name) for name in value)
        return levels > 0 and inside and all(is_storable(inner, levels=levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels > 0 and all(is_storable(inner, levels=levels - 1) for inner in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -_FIRST_TOO_LARGE <= value < _FIRST_TOO_LARGE


def _is_whole(text: str) -> bool:
    """Whether there is no surrogate without its other half in the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
