"""AWS's event stream: whole messages out of bytes that are cut anywhere, and nothing out of bytes that are damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.providers.eventstream import MESSAGE_LIMIT_BYTES, Message, Messages
from tests.fakes.bedrock import framed, message, stopped, stream, text, text_header

TWO = stream(text("Grüße"), stopped("end_turn"))


def read(*reads: bytes) -> list[Message]:
    messages = Messages()
    return [found for piece in reads for found in messages.feed(piece)]


def test_what_is_written_here_is_what_awss_own_package_reads() -> None:
    """The other tests' bytes are our own; this holds them against a reader that is not."""
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(TWO)
    theirs = [(told.headers, told.payload) for told in buffer]
    assert theirs == [tuple(found) for found in read(TWO)]
    assert [headers[":event-type"] for headers, _ in theirs] == ["contentBlockDelta", "messageStop"]


def test_messages_are_the_same_wherever_they_are_cut() -> None:
    whole = read(TWO)
    assert len(whole) == 2
    for position in range(1, len(TWO)):
        assert read(TWO[:position], TWO[position:]) == whole, f"cut after byte {position}"
    assert read(*(bytes([byte]) for byte in TWO)) == whole


def test_a_damaged_byte_is_never_handed_on() -> None:
    first, good = len(message(text("Grüße"))), read(TWO)[0]
    for position in range(first, len(TWO)):
        damaged = bytearray(TWO)
        damaged[position] ^= 1
        found: list[Message] = []
        with pytest.raises(ValueError, match=r"checksum|a message of"):
            found.extend(Messages().feed(bytes(damaged)))
        assert found == [good], "what came whole before is good, and nothing else"


def test_headers_of_other_kinds_are_passed_over() -> None:
    others = b"".join(
        bytes([4]) + b"name" + bytes([kind]) + value
        for kind, value in [
            (0, b""),
            (1, b""),
            (2, b"a"),
            (3, b"ab"),
            (4, b"abcd"),
            (5, b"abcdefgh"),
            (6, b"\x00\x03abc"),
            (8, b"abcdefgh"),
            (9, b"abcdefghijklmnop"),
        ]
    )
    assert read(framed(others + text_header("a", "b"), b"{}")) == [Message({"a": "b"}, b"{}")]


@pytest.mark.parametrize(
    "headers",
    [b"\x04name\x0a", b"\x04nam", b"\x01a\x07\x00\x09b", b"\x01a\x07\x00\x01\xff", b"\x01a", b"\x01a\x04ab"],
)
def test_headers_that_cannot_be_read_are_an_error(headers: bytes) -> None:
    with pytest.raises(ValueError, match="headers that cannot be read"):
        read(framed(headers, b"{}"))


def test_a_message_without_end_is_not_waited_for() -> None:
    import struct
    from zlib import crc32

    for total, of_headers in ((MESSAGE_LIMIT_BYTES + 1, 0), (15, 0), (20, 8)):
        prelude = struct.pack(">II", total, of_headers)
        with pytest.raises(ValueError, match="a message of"):
            read(prelude + struct.pack(">I", crc32(prelude)) + b"1234")


@given(st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=200)), max_size=6), st.data())
def test_any_messages_come_out_as_they_went_in(told: list[tuple[str, bytes]], data: st.DataObject) -> None:
    told = [(value.encode("utf-8", "ignore").decode(), payload) for value, payload in told]
    wire = b"".join(framed(text_header(":x", value), payload) for value, payload in told)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(*pieces) == [Message({":x": value}, payload) for value, payload in told]
