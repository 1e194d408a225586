"""AWS's event stream, in which Bedrock answers: messages of headers and a payload, each with two checksums.

    total length (4) │ headers' length (4) │ CRC of these 8 bytes (4) │ headers │ payload │ CRC of all before (4)

All numbers are big-endian (https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html). Pure, and
without the vendor's package, so that every cut of every message can be tried.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

MESSAGE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Of any message; an answer's are a few hundred bytes."""

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type. 6 and 7 (bytes, text) say their length themselves."""
_SHORTEST: Final = _PRELUDE.size + _CRC.size


class Message(NamedTuple):
    """One message. Only headers of text are kept: the protocol's own are all text."""

    headers: dict[str, str]
    payload: bytes


class Messages:
    """Cuts bytes into messages, wherever the network cuts the bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole by now.

        Raises:
            ValueError: this is no event stream, or it was damaged. Messages that were yielded before are good.
        """
        data = self._rest + data if self._rest else data
        at = 0
        try:
            while len(data) - at >= _SHORTEST:
                total, of_headers, crc = _PRELUDE.unpack_from(data, at)
                if crc32(data[at : at + 8]) != crc:
                    raise ValueError("the prelude's checksum is wrong")
                if not _SHORTEST + of_headers <= total <= MESSAGE_LIMIT_BYTES:
                    raise ValueError(f"a message of {total} bytes, {of_headers} of them headers")
                end = at + total
                if len(data) < end:
                    break
                if crc32(data[at : end - 4]) != _CRC.unpack_from(data, end - 4)[0]:
                    raise ValueError("a message's checksum is wrong")
                begin = at + _PRELUDE.size
                at = end
                yield Message(_headers_of(data[begin : begin + of_headers]), data[begin + of_headers : end - _CRC.size])
        finally:
            self._rest = data[at:]


# The same few sets of headers come with every token.
@lru_cache(maxsize=64)
def _headers_of(data: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            begin = at + 1
            kind_at = begin + data[at]
            name = data[begin:kind_at].decode()
            kind, at = data[kind_at], kind_at + 1
            if kind not in {6, 7}:
                at += _SIZES[kind]
                continue
            (length,) = _LENGTH.unpack_from(data, at)
            value = data[at + 2 : at + 2 + length]
            at += 2 + length
            if kind == 7:  # noqa: PLR2004  (the format's number for text)
                headers[name] = value.decode()
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"headers that cannot be read: {data[:200]!r}") from error
    if at != len(data):
        raise ValueError(f"headers that cannot be read: {data[:200]!r}")
    return headers
