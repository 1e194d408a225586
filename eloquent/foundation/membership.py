"""Which groups a user is in, for those who must not know how users are kept.

Groups are made and filled in the staff console. The app that keeps users says how they are looked up.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bson import ObjectId

from eloquent.foundation.ids import UserId

GroupIds: TypeAlias = frozenset[ObjectId]

_look_up: Callable[[UserId], Awaitable[GroupIds]] | None = None


def answer_with(look_up: Callable[[UserId], Awaitable[GroupIds]]) -> None:
    """From now on `groups_of` asks this. Called once, when the apps are loaded."""
    global _look_up  # noqa: PLW0603  (one answer for the process)
    _look_up = look_up


async def groups_of(user_id: UserId) -> GroupIds:
    """The ids of the user's groups, as they are now.

    Raises:
        RuntimeError: nobody has said how to look them up.
    """
    if _look_up is None:
        raise RuntimeError("No app has said how groups are looked up.")
    return await _look_up(user_id)
