"""Where erasures and exports are between their request and their end. Pure."""

from enum import StrEnum


class ErasureStatus(StrEnum):
    """WAITING: the account is closed, and the erasure can be taken back until it is due."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


class ExportStatus(StrEnum):
    """FAILED: it could not be made however often it was tried."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
