"""What the bytes of a file are, and how large a picture would be. Pure; nothing is decoded.

Neither a name nor a Content-Type is believed. Of a picture the container is walked from its first byte to its end, so
that one which was cut off or put together wrongly is found; its pixels stay packed, however many it says they are.
PNG: https://www.w3.org/TR/png-3/, JPEG: ITU-T T.81 annex B, GIF: the GIF89a specification, WebP: RFC 9649.
"""

import re
import struct
from collections.abc import Callable
from typing import Final, NamedTuple
from zlib import crc32

TEXT: Final = "text/plain"
PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
MEDIA_TYPES: Final = (*PICTURES, TEXT)

# What no text has: zeros and other control characters, but for those that lay it out or colour a terminal's log.
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_LARGEST_SIDE: Final = 2**31 - 1
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B


class Kind(NamedTuple):
    """What a file is; the sides of a picture in pixels, None for a text."""

    media_type: str
    width: int | None = None
    height: int | None = None


class UnknownKind(Exception):
    """The bytes are none of the pictures that we take, and no text in UTF-8."""


class Broken(Exception):
    """The bytes begin as a picture and do not go on as one, or end too early."""


def kind_of(content: bytes) -> Kind:
    """What the bytes are.

    Raises:
        UnknownKind: nothing that is taken.
        Broken: a picture that no reader could read to its end.
    """
    for media_type, begins, sides_of in _READERS:
        if begins(content):
            try:
                width, height = sides_of(content)
            except (IndexError, struct.error):
                raise Broken from None
            if not width or not height:
                raise Broken
            return Kind(media_type, width, height)
    if _NOT_TEXT.search(content):
        raise UnknownKind
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise UnknownKind from None
    return Kind(TEXT)


def fits_announced(kind: Kind, announced: str) -> bool:
    """Whether a Content-Type may stand for what the bytes are. None at all, or `application/octet-stream`, may always.

    A text may be announced as any kind of text, and as JSON.
    """
    media_type = announced.partition(";")[0].strip().lower()
    if media_type in ("", "application/octet-stream", kind.media_type):
        return True
    if kind.media_type == TEXT:
        return media_type.startswith("text/") or media_type == "application/json"
    return kind.media_type == "image/jpeg" and media_type == "image/jpg"


def _png(content: bytes) -> tuple[int, int]:
    sides, has_pixels, at = (0, 0), False, len(_PNG)
    while True:
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if crc32(content[at + 4 : end]) != checksum or (name == b"IHDR") != (at == len(_PNG)):
            raise Broken
        if name == b"IHDR":
            sides = struct.unpack_from(">II", content, at + 8)
            if length != 13 or max(sides) > _PNG_LARGEST_SIDE:  # noqa: PLR2004 - IHDR's length
                raise Broken
        has_pixels = has_pixels or name == b"IDAT"
        if name == b"IEND":
            if not has_pixels:
                raise Broken
            return sides
        at = end + 4


def _jpeg(content: bytes) -> tuple[int, int]:
    width = height = 0
    at = 2
    while True:
        if content[at] != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise Broken
        while content[at] == 0xFF:  # noqa: PLR2004 - and may be preceded by more of them
            at += 1
        marker = content[at]
        at += 1
        if marker in _JPEG_BARE:
            continue
        (length,) = struct.unpack_from(">H", content, at)
        if marker == 0xD9 or length < 2:  # noqa: PLR2004 - the picture's end, before there was one
            raise Broken
        if marker in _JPEG_FRAMES:
            frame_height, frame_width = struct.unpack_from(">HH", content, at + 3)
            width, height = max(width, frame_width), max(height, frame_height)
        if marker == 0xDA:  # noqa: PLR2004 - the pixels begin
            if content.rfind(b"\xff\xd9") < at + length:
                raise Broken
            return width, height
        at += length


def _gif(content: bytes) -> tuple[int, int]:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at = 13 + _gif_colours(flags)
    has_pixels = False
    while (block := content[at]) != _GIF_END:
        if block == _GIF_IMAGE:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", content, at + 1)
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            at += 11 + _gif_colours(flags)
            has_pixels = True
        elif block == _GIF_EXTENSION:
            at += 2
        else:
            raise Broken
        while length := content[at]:
            at += length + 1
        at += 1
    if not has_pixels:
        raise Broken
    return width, height


def _gif_colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(content: bytes) -> tuple[int, int]:
    (size,) = struct.unpack_from("<I", content, 4)
    end = 8 + size
    if end > len(content):
        raise Broken
    width = height = 0
    has_pixels = False
    at = 12
    while at < end:
        name, length = struct.unpack_from("<4sI", content, at)
        at += 8
        if at + length > end:
            raise Broken
        sides = _webp_sides(content, name, at)
        has_pixels = has_pixels or name in (b"ANMF", b"VP8L", b"VP8 ")
        width, height = max(width, sides[0]), max(height, sides[1])
        at += length + (length & 1)
    if not has_pixels:
        raise Broken
    return width, height


def _webp_sides(content: bytes, name: bytes, at: int) -> tuple[int, int]:
    """What the chunk that begins there says of the sides; zeros when it says nothing."""
    if name == b"VP8X":
        return _sides_24(content, at + 4)
    if name == b"ANMF":
        return _sides_24(content, at + 6)
    if name == b"VP8L":
        mark, packed = struct.unpack_from("<BI", content, at)
        if mark != 0x2F:  # noqa: PLR2004 - the format's own mark
            raise Broken
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        mark, width, height = struct.unpack_from("<3sHH", content, at + 3)
        if mark != b"\x9d\x01\x2a":
            raise Broken
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _sides_24(content: bytes, at: int) -> tuple[int, int]:
    if at + 6 > len(content):
        raise Broken
    return int.from_bytes(content[at : at + 3], "little") + 1, int.from_bytes(content[at + 3 : at + 6], "little") + 1


_Reader = tuple[str, Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]]
_READERS: Final[tuple[_Reader, ...]] = (
    ("image/png", lambda content: content.startswith(_PNG), _png),
    ("image/jpeg", lambda content: content.startswith(b"\xff\xd8\xff"), _jpeg),
    ("image/gif", lambda content: content.startswith((b"GIF87a", b"GIF89a")), _gif),
    ("image/webp", lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _webp),
)
