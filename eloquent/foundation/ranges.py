"""Which part of a file a request wants (RFC 9110, section 14). Pure: one range at most, as downloads resume by."""

import re
from typing import Final, NamedTuple

from eloquent.foundation.errors import OutOfRange

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Part(NamedTuple):
    """So many bytes from `start` on."""

    start: int
    length: int


def part_wanted(header: str, size: int) -> Part | None:
    """The part that the header `Range` names; None for all of it: no header, several ranges, or another unit.

    Raises:
        OutOfRange: it begins behind the end.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        length = min(int(last), size)
        if not length:
            raise OutOfRange(size)
        return Part(size - length, length)
    start = int(first)
    if last and int(last) < start:
        return None  # not a range at all, and so as if it were not there
    if start >= size:
        raise OutOfRange(size)
    end = min(int(last), size - 1) if last else size - 1
    return Part(start, end - start + 1)
