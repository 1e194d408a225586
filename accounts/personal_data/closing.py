"""Closing an account that is to be erased: nobody comes in, and what is at work for it ends. Safe to repeat."""

from accounts import store
from accounts.life import closing
from eloquent.foundation.ids import UserId


async def close_account(user_id: UserId) -> None:
    """Refuse the user's tokens and keys, close their sockets, stop their answers and jobs.

    What cannot be stopped now is logged: who erases an account stops it again.

    Raises:
        pymongo.errors.PyMongoError: the database is away, and the account may be open.
    """
    await store.close_user(user_id)
    await closing.close(user_id)
