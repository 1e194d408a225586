"""The journal of a single process, in its memory."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from chat.chunks import Chunk
from chat.journal.base import KEPT_S, Entries, NotInJournal
from chat.journal.log import Log
from eloquent.foundation.ids import RunId
from eloquent.foundation.later import Later

KEPT_BYTES: Final = 64 * 1024 * 1024
"""All finished logs together stay below this, oldest out first."""

RELEASED_KEPT_S: Final = 10.0
"""How long a finished log stays that is kept elsewhere too: for readers who lost their connection near its end."""


class MemoryJournal:
    """See `Journal`."""

    takes_runs = True

    def __init__(self) -> None:
        self._logs: dict[RunId, Log] = {}
        self._ended: dict[RunId, Log] = {}  # in the order of their ends
        self._ended_size = 0
        self._drop_ended = Later(KEPT_S, self._drop)
        self._drop_released = Later(RELEASED_KEPT_S, self._drop)

    def log_of(self, run_id: RunId) -> Log | None:
        """The log itself, if it is here and true."""
        log = self._logs.get(run_id)
        return None if log is None or log.cut else log

    def open(self, run_id: RunId, *, head: int = 0, shown: int | None = None) -> None:
        """See `Journal`. Readers may read up to `shown`."""
        self._logs[run_id] = Log(head, shown=shown)

    def append(self, run_id: RunId, chunks: Sequence[Chunk]) -> int:
        """See `Journal`."""
        log = self._logs[run_id]
        if not log.cut:
            log.append(chunks)
        return log.end

    def trim(self, run_id: RunId, before: int) -> None:
        """See `Journal`."""
        log = self._logs.get(run_id)
        if log is not None and log.is_large:
            log.trim(before)

    def close(self, run_id: RunId) -> None:
        """See `Journal`."""
        log = self._logs.get(run_id)
        if log is None or log.ended:
            return
        log.close()
        self._keep_for_a_while(run_id, log)

    def disown(self, run_id: RunId) -> None:
        """See `Journal`. Nobody finds the log here any more."""
        log = self._logs.get(run_id)
        if log is not None and not log.cut:
            was_ended = log.ended
            log.break_off()
            if not was_ended:
                self._keep_for_a_while(run_id, log)

    async def adopt(self, run_id: RunId, *, position: int) -> Sequence[Chunk]:
        """See `Journal`. A run whose process is gone has left nothing here."""
        self.open(run_id, head=position)
        return ()

    async def follow(
        self,
        run_id: RunId,
        *,
        after: int = -1,
        rested: bool = False,  # noqa: ARG002 - part of the interface
    ) -> AsyncIterator[Entries]:
        """See `Journal`. Every log here comes to its end."""
        log = self.log_of(run_id)
        if log is None or after + 1 < log.head:
            raise NotInJournal
        return log.entries(after + 1)

    async def aclose(self) -> None:
        """See `Journal`."""

    def release(self, run_id: RunId) -> None:
        """The whole log, with its end, is kept elsewhere too: it need not stay here for long."""
        self._drop_released.add(run_id)

    def _keep_for_a_while(self, run_id: RunId, log: Log) -> None:
        self._ended[run_id] = log
        self._ended_size += log.size
        self._drop_ended.add(run_id)
        while self._ended_size > KEPT_BYTES:
            self._drop(next(iter(self._ended)))

    def _drop(self, run_id: RunId) -> None:
        log = self._ended.pop(run_id, None)
        if log is not None:
            self._ended_size -= log.size
            del self._logs[run_id]
