"""Small pictures of every kind, put together by hand: as large as they say they are, whatever they say."""

import struct
import zlib


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int = 40, height: int = 30, *, colour: int = 0) -> bytes:
    """A grey PNG. One that says it is huge has no more bytes for it."""
    rows = (b"\0" + bytes([colour]) * width) * height if width * height < 1_000_000 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg(width: int = 40, height: int = 30, *, thumbnail: bytes = b"\xff\xd9") -> bytes:
    """A JPEG's segments around no real pixels; the thumbnail has an end of its own."""
    app = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x00\x3f\x00" + b"\x12\x34\xff\x00\x56"
    return b"\xff\xd8" + app + b"\xff" + frame + scan + b"\xff\xd9"


def gif(width: int = 40, height: int = 30, *, frame: tuple[int, int] = (40, 30)) -> bytes:
    """A GIF of one frame with a comment."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    comment = b"\x21\xfe" + b"\x03tea" + b"\0"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02" + b"\x02\x4c\x01" + b"\0"
    return b"GIF89a" + screen + comment + image + b"\x3b"


def webp(width: int = 40, height: int = 30, *, canvas: tuple[int, int] | None = None) -> bytes:
    """A lossless WebP, with an extended header when the canvas is named."""
    pixels = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0\0\0"
    chunks = b"VP8L" + struct.pack("<I", len(pixels)) + pixels
    if canvas:
        sides = b"".join((side - 1).to_bytes(3, "little") for side in canvas)
        chunks = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides + chunks
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def lossy_webp(width: int = 40, height: int = 30) -> bytes:
    """A lossy WebP of one key frame."""
    frame = b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0" * 8
    return b"RIFF" + struct.pack("<I", 12 + len(frame)) + b"WEBPVP8 " + struct.pack("<I", len(frame)) + frame
