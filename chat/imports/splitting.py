"""A large JSON file as its objects, one after the other: memory holds one object and one piece of the file. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

LONGEST_OBJECT: Final = 64 * 1024 * 1024
"""Bytes of one conversation's JSON. A longer one is passed over."""

_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'["\\]')


class Objects:
    """Cuts pieces of bytes into the objects of a list, or the one object, that they are; `None` for one too long.

    Only brackets and quotes are looked at: an object that is not JSON is somebody else's to refuse, and spoils none of
    the others unless its brackets do not match.
    """

    def __init__(self, *, longest: int = LONGEST_OBJECT) -> None:
        self._longest = longest
        self._depth = 0
        self._base = 0
        self._in_text = False
        self._escaped = False
        self._object: bytearray | None = None
        self._too_long = False

    def feed(self, piece: bytes) -> Iterator[bytes | None]:
        """The objects that end in this piece."""
        kept = 0
        for begins, bracket in self._brackets(piece):
            if bracket in b"{[":
                if self._depth == 0 and bracket == b"[":
                    self._base = 1
                elif self._depth == self._base and bracket == b"{" and self._object is None:
                    self._object, kept = bytearray(), begins
                self._depth += 1
                continue
            self._depth = max(0, self._depth - 1)
            if self._object is not None and self._depth == self._base:
                self._keep(piece[kept : begins + 1])
                yield None if self._too_long else bytes(self._object)
                self._object, self._too_long = None, False
        if self._object is not None:
            self._keep(piece[kept:])

    def _brackets(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Where brackets are in the piece that stand outside of texts."""
        at = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        while found := (_INSIDE if self._in_text else _OUTSIDE).search(piece, at):
            at, sign = found.end(), found.group()
            if sign == b"\\":
                self._escaped = at == len(piece)
                at += 1
            elif sign == b'"':
                self._in_text = not self._in_text
            else:
                yield found.start(), sign

    def _keep(self, more: bytes) -> None:
        if self._object is not None and not self._too_long:
            self._object += more
            if len(self._object) > self._longest:
                self._too_long = True
                self._object = bytearray()

    @property
    def is_cut(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._object is not None


def objects_in(pieces: Iterable[bytes], *, longest: int = LONGEST_OBJECT) -> Iterator[bytes | None]:
    """Every object of the file; `None` for one that is too long or that the file's end cuts off."""
    objects = Objects(longest=longest)
    for piece in pieces:
        yield from objects.feed(piece)
    if objects.is_cut:
        yield None
