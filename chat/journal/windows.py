"""What other processes' runs say right now: for each run that is read here, the last stretch of its stream.

Many readers of one run share its window, and all windows share the process's one blocking reader.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from chat.journal import wire
from chat.journal.log import Log
from eloquent.foundation.ids import RunId
from eloquent.foundation.streams import Entry, StreamReader

LARGEST_WINDOW_BYTES: Final = 256 * 1024


class _Window:
    __slots__ = ("log", "readers")

    def __init__(self, head: int) -> None:
        self.log = Log(head)
        self.readers = 0


class Windows:
    """The windows of one process."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._windows: dict[RunId, _Window] = {}

    @contextmanager
    def joined(self, run_id: RunId, last: wire.Piece) -> Iterator[Log]:
        """The run's window, which grows while anybody is in the block. `last` is its stream's newest entry.

        The window begins behind that entry at the latest; what is older is read from the stream itself.
        """
        window = self._windows.get(run_id)
        if window is None or window.log.cut:
            window = self._windows[run_id] = _Window(last.end)
            if last.is_end:
                window.log.close()
            else:
                self._reader.watch(
                    wire.key_of(run_id), after=wire.id_behind(last.end), take=lambda entries: _take(window.log, entries)
                )
        window.readers += 1
        try:
            yield window.log
        finally:
            window.readers -= 1
            if not window.readers and self._windows.get(run_id) is window:
                del self._windows[run_id]
                self._reader.unwatch(wire.key_of(run_id))


def _take(log: Log, entries: Sequence[Entry]) -> None:
    for entry in entries:
        piece = wire.piece_of(entry)
        if piece.first > log.end:
            # Redis has lost, or trimmed, what lies between.
            log.close(cut=True)
            return
        if piece.is_end:
            log.close()
        elif piece.end > log.end:
            log.append(piece.chunks[log.end - piece.first :])
    if log.size > LARGEST_WINDOW_BYTES:
        log.trim(log.end - len(log.chunks) // 2)
