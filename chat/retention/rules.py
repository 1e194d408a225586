"""How long conversations are kept. Pure.

The setting RETENTION_DAYS holds for whoever is in no group with a rule; a rule comes before it, and of several the one
that keeps longest holds. 0 is for ever.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from bson import ObjectId

from chat.types import Conversation


class Retention(NamedTuple):
    """The setting, and the days of each group that has a rule."""

    days: int
    of_groups: Mapping[ObjectId, int]

    @property
    def shortest(self) -> int | None:
        """The fewest days that anybody's conversations are kept; None when everything is kept for ever."""
        limits = [days for days in (self.days, *self.of_groups.values()) if days]
        return min(limits, default=None)

    def days_for(self, groups: frozenset[ObjectId]) -> int:
        """The days for a user who is in these groups; 0 for ever."""
        ruled = [self.of_groups[group] for group in groups if group in self.of_groups]
        if not ruled:
            return self.days
        return 0 if 0 in ruled else max(ruled)


def is_over(conversation: Conversation, days: int, at: datetime) -> bool:
    """Whether nobody went on with the conversation for so many days, nor brought it here."""
    touched_at = max(conversation.updated_at, conversation.imported_at or conversation.updated_at)
    return bool(days) and touched_at < at - timedelta(days=days)
