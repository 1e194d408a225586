"""A run's log as a Redis Stream. Pure.

An entry holds the chunks of one or more appends. Its id is `<position behind its last chunk>-0`, so that Redis itself
finds a position, keeps the order, and refuses what was written already: a repeated write, or one of a worker that has
lost the run to another. The end is the entry with the largest id there is, so that nothing can come behind it; it has
the position and the worker that ended the run.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from chat.chunks import Chunk
from eloquent.foundation.ids import RunId
from eloquent.foundation.streams import Entry

CHUNKS: Final = b"c"
END: Final = b"e"
WORKER: Final = b"w"
END_ID: Final = b"%d-0" % (2**64 - 1)
LARGEST_ENTRY_BYTES: Final = 128 * 1024

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[bytes])


class Piece(NamedTuple):
    """An entry that was read: chunks from position `first` on, or the log's end behind `first`, said by `ended_by`."""

    first: int
    chunks: list[Chunk]
    is_end: bool
    ended_by: bytes = b""

    @property
    def end(self) -> int:
        """The position behind the last chunk."""
        return self.first + len(self.chunks)


def key_of(run_id: RunId) -> bytes:
    """The stream of the run."""
    return b"eloquent:run:" + str(run_id).encode()


def id_behind(position: int) -> bytes:
    """The id of the entry that ends at this position."""
    return b"%d-0" % position


def end_of(position: int, worker: str) -> dict[Any, Any]:
    """The fields of the end, behind the last chunk."""
    return {END: b"%d" % position, WORKER: worker.encode()}


def piece_of(entry: Entry) -> Piece:
    """What the entry says."""
    entry_id, fields = entry
    if END in fields:
        return Piece(int(fields[END]), [], is_end=True, ended_by=fields.get(WORKER, b""))
    position = int(entry_id.partition(b"-")[0])
    chunks = _decoder.decode(fields[CHUNKS])
    return Piece(position - len(chunks), chunks, is_end=False)


def packed(first: int, chunks: Sequence[Chunk]) -> Iterator[tuple[bytes, bytes]]:
    """Chunks from position `first` on as entries of a moderate size: pairs of id and value."""
    batch: list[Chunk] = []
    size = 0
    for position, chunk in enumerate(chunks, first + 1):
        batch.append(chunk)
        size += len(chunk)
        if size >= LARGEST_ENTRY_BYTES:
            yield id_behind(position), _encoder.encode(batch)
            batch, size = [], 0
    if batch:
        yield id_behind(first + len(chunks)), _encoder.encode(batch)
