"""The exact limits: how often someone may try what is worth trying often. Register, change a password, guess.

Counted in Redis when there is one, which the request waits for. While Redis is away each process counts for itself and
says so in the log: a guesser then gets as many tries as there are processes, and nobody is locked out by a broken
Redis. What everybody does all the time is counted otherwise: `accounts.limits.gate`.
"""

import hashlib
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
from redis.asyncio import Redis

from accounts.limits import reaching
from accounts.limits.headers import policy_header, standing, standing_header
from accounts.limits.policies import Policy
from accounts.windows import ProcessWindows, SharedWindows
from eloquent.foundation.errors import Throttled


class Limit(msgspec.Struct, frozen=True):
    """At most `amount` attempts in any `seconds`."""

    name: str
    amount: int
    seconds: int


# Guesses at one account are slowed by `accounts.limits.guessing`.
SIGN_IN_BY_ADDRESS: Final = Limit("sign-in-address", 100, 300)
REGISTER_BY_ADDRESS: Final = Limit("register", 60, 600)
CHANGE_PASSWORD_BY_USER: Final = Limit("password", 10, 600)
# A sign-in at a provider is three of these.
OPENID_BY_ADDRESS: Final = Limit("openid", 300, 300)
OPENID_LINK_BY_USER: Final = Limit("openid-link", 30, 600)
OPENID_LOGOUT_BY_ADDRESS: Final = Limit("openid-logout", 600, 60)
# No longer than this can one be believed: `accounts.openid.id_tokens`.
OPENID_LOGOUT_BY_TOKEN: Final = Limit("openid-logout-token", 1, 360)
# Letters: nobody's mailbox is filled by whoever plays with a session.
REUSE_LETTER_BY_USER: Final = Limit("reuse-letter", 1, 3600)
SIGN_IN_LETTER_BY_USER: Final = Limit("sign-in-letter", 10, 86400)
EXPORT_BY_USER: Final = Limit("export", 5, 86_400)
RECEIPT_BY_ADDRESS: Final = Limit("receipt", 120, 600)
# Answers to challenges and passkeys of people who are not signed in yet. The bounds that keep codes from being guessed
# are stricter, and others: `accounts.second_factor.codes`.
SECOND_FACTOR_BY_ADDRESS: Final = Limit("second-factor-address", 100, 300)
SECOND_FACTOR_BY_USER: Final = Limit("second-factor", 30, 600)

_in_process: Final = ProcessWindows()
_shared: WeakKeyDictionary[Redis, SharedWindows] = WeakKeyDictionary()


async def spend(limit: Limit, *who: str) -> None:
    """Count one attempt of whoever the parts of `who` name together.

    Raises:
        Throttled: too many, with the seconds to wait.
    """
    key = _key(limit, who)
    retry_after_s = await _take(limit, key)
    if retry_after_s > 0:
        refusal = Throttled(retry_after_s=round(retry_after_s + 0.05, 1))
        stands = standing(limit.name, 0, int(refusal.headers["Retry-After"]))
        told = policy_header((Policy(limit.name, limit.amount, limit.seconds),)), standing_header(stands)
        refusal.headers |= dict(pair for _, pair in told)
        raise refusal


async def forgive(limit: Limit, *who: str) -> None:
    """Start the window of `who` anew."""
    key = _key(limit, who)
    await _in_process.forget(key, amount=limit.amount, seconds=limit.seconds)
    await reaching.ask(lambda client: _windows(client).forget(key, amount=limit.amount, seconds=limit.seconds))


def forget_all() -> None:
    """Start every window of this process anew; those in Redis stay."""
    _in_process.forget_all()


async def _take(limit: Limit, key: str) -> float:
    shared = await reaching.ask(lambda client: _windows(client).take(key, amount=limit.amount, seconds=limit.seconds))
    if shared is not None:
        return shared
    return await _in_process.take(key, amount=limit.amount, seconds=limit.seconds)


def _windows(client: Redis) -> SharedWindows:
    windows = _shared.get(client)
    if windows is None:
        windows = _shared[client] = SharedWindows(client)
    return windows


def _key(limit: Limit, who: tuple[str, ...]) -> str:
    # Hashed: emails do not belong in Redis, and what a stranger sends must not shape or lengthen a key.
    digest = hashlib.sha256("\0".join(who).encode()).hexdigest()
    return f"{limit.name}:{digest[:32]}"
