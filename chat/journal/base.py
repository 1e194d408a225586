"""What every journal is: the interface, what it gives and what it refuses."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple, Protocol

from chat.chunks import Chunk
from eloquent.foundation.ids import RunId

KEPT_S: Final = 300.0
"""How long a log is kept behind its run's end. A reader who comes later is served from the saved message."""

LARGEST_LOG_BYTES: Final = 4 * 1024 * 1024
MOST_CHUNKS: Final = 20_000
"""A log above one of these two is trimmed to what the saved message does not hold yet."""


class Entries(NamedTuple):
    """Chunks in order; `first` is the position of the first. No chunks at all means: still alive, nothing new.

    Those of a replay were made from the saved message: only the position behind the last of them is one of the log.
    """

    first: int
    chunks: Sequence[Chunk]
    is_replay: bool = False


class NotInJournal(Exception):
    """The journal cannot serve this position: the log is gone, was trimmed, or was never here."""


class BehindLog(NotInJournal):
    """The log was trimmed beyond a reader that was following it: too slow. It may resume, from the saved message."""


class LogCut(Exception):
    """The log of another process's run broke off without its end. A reader should resume."""


class Journal(Protocol):
    """The log of every run at work and of those that ended lately."""

    @property
    def takes_runs(self) -> bool:
        """Whether a run may be begun: False while what it says would reach this process's readers alone."""

    def open(self, run_id: RunId, *, head: int = 0) -> None:
        """Begin a run's log at position `head`: what lies before it is in the saved message."""

    def append(self, run_id: RunId, chunks: Sequence[Chunk]) -> int:
        """Add chunks and wake the readers. Returns the position behind the last one."""

    def trim(self, run_id: RunId, before: int) -> None:
        """Forget what lies before the position, if the log has become large: the saved message holds it."""

    def close(self, run_id: RunId) -> None:
        """End the log: readers finish once they have read all of it. Safe to repeat."""

    def disown(self, run_id: RunId) -> None:
        """What was said of the run here is nobody's: its readers resume, and its log is left without an end."""

    async def adopt(self, run_id: RunId, *, position: int) -> Sequence[Chunk]:
        """Become the writer of a run whose own was lost, and give what its log holds from `position` on.

        Where nothing is held the log begins anew at `position`. From now on `append` and `close` are for the caller.

        Raises:
            NotInJournal: the log cannot be asked for at the moment.
        """

    async def follow(self, run_id: RunId, *, after: int = -1, rested: bool = False) -> AsyncIterator[Entries]:
        """The entries behind position `after`, as they come, until the log ends.

        `rested` says that the run is at rest: nobody writes its log any more, and one without its end is not served.

        An empty batch comes when nothing happened for `HEARTBEAT_S` seconds.

        Raises:
            NotInJournal: at the call, so that a caller can still answer otherwise; its leaf BehindLog and LogCut also
                in the middle.
        """

    async def aclose(self) -> None:
        """Bring what is on its way to its place, within a few seconds, and end."""
