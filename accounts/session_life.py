"""How long a session may live, however much it is used: of devices at the API, and of browsers in the staff console."""

from datetime import timedelta

from eloquent.foundation.config import get_config


def longest_life() -> timedelta:
    """The time from a sign-in until another is due."""
    return timedelta(days=get_config().session_max_days)
