"""A run's log of chunks: written once, by the run, and followed by any number of readers from any position.

Positions are counted by the only writer, so `append` never waits, and readers see whole chunks in order.
`MemoryJournal` keeps the logs in one process; `SharedJournal` keeps them there, too, and copies them to Redis for the
others.
"""

from chat.journal.base import BehindLog, Entries, Journal, LogCut, NotInJournal
from chat.journal.memory import MemoryJournal
from chat.journal.shared import SharedJournal

__all__ = ["BehindLog", "Entries", "Journal", "LogCut", "MemoryJournal", "NotInJournal", "SharedJournal"]
