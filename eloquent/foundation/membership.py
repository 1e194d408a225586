"""Which groups a user is in, for those who must not know how users are kept.

Groups are made and filled in the staff console. The app that keeps users says how they are looked up.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bson import ObjectId

from eloquent.foundation.ids import UserId

GroupIds: TypeAlias = frozenset[ObjectId]

_look_up: Callable[[UserId], Awaitable[GroupIds]] | None = None
_look_up_names: Callable[[GroupIds], Awaitable[frozenset[str]]] | None = None


def answer_with(
    groups: Callable[[UserId], Awaitable[GroupIds]], names: Callable[[GroupIds], Awaitable[frozenset[str]]]
) -> None:
    """From now on these are asked. Called once, when the apps are loaded."""
    global _look_up, _look_up_names
    _look_up, _look_up_names = groups, names


async def groups_of(user_id: UserId) -> GroupIds:
    """The ids of the user's groups, as they are now.

    Raises:
        RuntimeError: nobody has said how to look them up.
    """
    if _look_up is None:
        raise RuntimeError("No app has said how groups are looked up.")
    return await _look_up(user_id)


async def permissions_of(user_id: UserId) -> frozenset[str]:
    """What the user may use beyond what everybody may: the names of the groups, which staff fill in the console.

    Raises:
        RuntimeError: as `groups_of`.
    """
    groups = await groups_of(user_id)
    if _look_up_names is None:
        raise RuntimeError("No app has said how groups are looked up.")
    return await _look_up_names(groups) if groups else frozenset()
