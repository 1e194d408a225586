"""The time as it is stored."""

from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC, to the millisecond that MongoDB keeps, so that a value in memory equals the one stored."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
