"""How often someone may try: sign in, register, change a password, make a key or a ticket, upload a file.

Counted in Redis when there is one. While Redis is away each process counts for itself and says so in the log: a guesser
then gets as many tries as there are processes, and nobody is locked out by a broken Redis.
"""

import asyncio
import hashlib
import time
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from accounts.windows import ProcessWindows, SharedWindows, Windows
from eloquent.foundation.errors import Throttled
from eloquent.foundation.redis import redis_client

log = structlog.get_logger(__name__)


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` attempts in any `seconds`."""

    name: str
    amount: int
    seconds: int


# A right password starts the first of these anew, so people who sign in often are not counted as guessers.
SIGN_IN_BY_ADDRESS_AND_EMAIL: Final = Limit("sign-in", 10, 300)
SIGN_IN_BY_ADDRESS: Final = Limit("sign-in-address", 100, 300)
REGISTER_BY_ADDRESS: Final = Limit("register", 60, 600)
CHANGE_PASSWORD_BY_USER: Final = Limit("password", 10, 600)
API_KEY_BY_USER: Final = Limit("api-key", 30, 3600)
SOCKET_TICKET_BY_USER: Final = Limit("socket-ticket", 60, 60)
# A sign-in at a provider is three of these.
OPENID_BY_ADDRESS: Final = Limit("openid", 300, 300)
OPENID_LINK_BY_USER: Final = Limit("openid-link", 30, 600)
OPENID_LOGOUT_BY_ADDRESS: Final = Limit("openid-logout", 600, 60)
ATTACHMENT_BY_USER: Final = Limit("attachment", 120, 60)

_REDIS_ANSWER_S: Final = 0.5
_LEAVE_REDIS_ALONE_S: Final = 5.0

_in_process: Final = ProcessWindows()
_shared: WeakKeyDictionary[Redis, SharedWindows] = WeakKeyDictionary()


class _Redis:
    """When Redis may be asked again after it failed, by the monotonic clock."""

    ask_again_at = 0.0


async def spend(limit: Limit, *who: str) -> None:
    """Count one attempt of whoever the parts of `who` name together.

    Raises:
        Throttled: too many, with the seconds to wait.
    """
    key = _key(limit, who)
    retry_after_s = await _take(limit, key)
    if retry_after_s > 0:
        raise Throttled(retry_after_s=round(retry_after_s + 0.05, 1))


async def forgive(limit: Limit, *who: str) -> None:
    """Start the window of `who` anew."""
    key = _key(limit, who)
    await _in_process.forget(key, amount=limit.amount, seconds=limit.seconds)
    shared = _shared_windows()
    if shared is None:
        return
    try:
        async with asyncio.timeout(_REDIS_ANSWER_S):
            await shared.forget(key, amount=limit.amount, seconds=limit.seconds)
    except (RedisError, OSError) as error:
        _leave_redis_alone(error)


def forget_all() -> None:
    """Start every window of this process anew; those in Redis stay."""
    _in_process.forget_all()


async def _take(limit: Limit, key: str) -> float:
    shared = _shared_windows()
    if shared is not None:
        try:
            async with asyncio.timeout(_REDIS_ANSWER_S):
                return await shared.take(key, amount=limit.amount, seconds=limit.seconds)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            _leave_redis_alone(error)
    return await _in_process.take(key, amount=limit.amount, seconds=limit.seconds)


def _shared_windows() -> Windows | None:
    client = redis_client()
    if client is None or time.monotonic() < _Redis.ask_again_at:
        return None
    windows = _shared.get(client)
    if windows is None:
        windows = _shared[client] = SharedWindows(client)
    return windows


def _leave_redis_alone(error: Exception) -> None:
    # Without this pause every sign-in would wait for the timeout while Redis hangs.
    _Redis.ask_again_at = time.monotonic() + _LEAVE_REDIS_ALONE_S
    log.warning("Redis is away: attempts are counted in this process", error=repr(error))


def _key(limit: Limit, who: tuple[str, ...]) -> str:
    # Hashed: emails do not belong in Redis, and what a stranger sends must not shape or lengthen a key.
    digest = hashlib.sha256("\0".join(who).encode()).hexdigest()
    return f"{limit.name}:{digest[:32]}"
