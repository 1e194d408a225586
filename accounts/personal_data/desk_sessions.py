"""Browsers that are signed in to the staff console: Django keeps whose they are inside of a signed text."""

from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId

_SESSIONS: Final = "django_session"
_KEY: Final = "session_key"
_AT_ONCE: Final = 500


async def erase_some(owner: UserId) -> int:
    """Sign the user's browsers out of the console; how many there were."""
    theirs = await _of(owner)
    if not theirs:
        return 0
    deleted = await database()[_SESSIONS].delete_many({_KEY: {"$in": theirs}})
    return deleted.deleted_count


async def count(owner: UserId) -> int:
    """How many browsers are signed in to the console as this user."""
    return len(await _of(owner))


async def _of(owner: UserId) -> list[str]:
    """The keys of the user's sessions. All are looked at, in the order of their keys: only staff have any."""
    theirs: list[str] = []
    last = ""
    while True:
        page: list[dict[str, Any]] = await (
            database()[_SESSIONS]
            .find({_KEY: {"$gt": last}}, {_KEY: True, "session_data": True}, limit=_AT_ONCE)
            .sort(_KEY, 1)
            .to_list()
        )
        theirs += [each[_KEY] for each in page if _user_in(each["session_data"]) == str(owner)]
        if len(page) < _AT_ONCE:
            return theirs
        last = page[-1][_KEY]


def _user_in(session_data: str) -> str:
    # A text that was signed with a key of yesterday is nobody's: it lets nobody in.
    return str(SessionStore().decode(session_data).get(SESSION_KEY, ""))
