"""The keys of this process: from the configuration, and those that `manage.py jwt` has made since.

Every request asks `key_ring`, which waits for nothing. A task of the server reads the keys on record every few seconds
(`run`), and whoever meets a token of a key that is not known has them read at once (`learn`). While the database is
away, what was read last goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from pymongo.errors import PyMongoError

from accounts import store
from accounts.key_schedule import READ_EVERY_S, Configured, Opened, opened, ring_at
from accounts.tokens import Claims, KeyRing, PrivateKey, VerifyingKey
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config

log = structlog.get_logger(__name__)

LEARN_EVERY_S: Final = 1.0
"""However many tokens of unknown keys come, the keys are read for them no more often."""
# A verified token and its claims take about 1.5 KB. Refused tokens are never kept: a stranger cannot fill this.
_VERIFIED_TOKENS: Final = 8192


class _Keys:
    """What this process knows of keys."""

    def __init__(self) -> None:
        self.was_read = False
        self.rows: list[store.SigningKey] = []
        self.opened: list[Opened] = []
        self.closed: list[str] = []
        self.ring: KeyRing | None = None
        self.revocations = 0

    def take(self, rows: list[store.SigningKey]) -> None:
        """These are the rows now. Keys are opened anew only when a row has changed: it takes milliseconds."""
        self.was_read = True
        if rows == self.rows:
            return
        self.rows = rows
        self.opened, closed = opened(rows)
        if closed and closed != self.closed:
            log.error(
                "signing keys cannot be opened: SECRET_KEY was changed, and the one before it is not in "
                "SECRET_KEY_FALLBACKS; put it there, or make a new key with `manage.py jwt rotate --now`",
                kids=closed,
            )
        self.closed = closed

    def renew(self) -> None:
        """Have the ring that holds now. `revocations` grows when a key is not on it any more that was revoked."""
        ring = ring_at(now(), configured_keys(), self.rows, self.opened)
        before = self.ring
        if before is not None and _signature(before) == _signature(ring):
            return
        self.ring = ring
        kids = {key.kid for key in ring.keys}
        if ring.signing is None:
            log.error("no key is left that may sign: nobody can sign in before `manage.py jwt rotate --now`")
        elif before is not None:
            log.info("signing keys have changed", signs=ring.signing.verifying.kid, verify=sorted(kids))
        left = {key.kid for key in before.keys} - kids if before is not None else set()
        if left:
            verified.cache_clear()
        if any(row.kid in left and row.revoked_at is not None for row in self.rows):
            self.revocations += 1


_keys = _Keys()


class _Asked:
    """The next reading for tokens of unknown keys, and when the last one began."""

    def __init__(self) -> None:
        self.next: asyncio.Task[None] | None = None
        self.last_at = float("-inf")


_asked: WeakKeyDictionary[asyncio.AbstractEventLoop, _Asked] = WeakKeyDictionary()


def key_ring() -> KeyRing:
    """Signs and verifies the access tokens of this deployment."""
    if _keys.ring is None:
        _keys.renew()
    ring = _keys.ring
    assert ring is not None  # noqa: S101 - made one line above
    return ring


@lru_cache(maxsize=_VERIFIED_TOKENS)
def verified(token: str) -> Claims:
    """The claims of a token that is ours; known from before as long as every key that was on the ring still is.

    Raises:
        UnknownKey, TokenError: as `KeyRing.verify`.
    """
    return key_ring().verify(token)


@lru_cache(maxsize=1)
def configured_keys() -> Configured:
    """JWT_PRIVATE_KEY and JWT_PREVIOUS_KEY."""
    config = get_config()
    previous = config.jwt_previous_key
    return Configured(
        PrivateKey.read(config.jwt_private_key.get_secret_value()),
        VerifyingKey.read(previous.get_secret_value()) if previous else None,
    )


async def be_read() -> None:
    """Return when the keys on record have been read once: nobody signs with one that others have put away.

    Raises:
        pymongo.errors.PyMongoError: the database does not answer.
    """
    if not _keys.was_read:
        await read_keys()


async def read_keys() -> None:
    """Have the keys that are on record now.

    Raises:
        pymongo.errors.PyMongoError: the database does not answer.
    """
    _keys.take(await store.signing_keys())
    _keys.renew()


async def learn() -> None:
    """Read the keys for a token whose key is not known: together with all others who ask, at most once a second.

    Raises:
        pymongo.errors.PyMongoError: the database does not answer.
    """
    loop = asyncio.get_running_loop()
    asked = _asked.setdefault(loop, _Asked())
    if asked.next is None:
        asked.next = loop.create_task(_learn(asked), name="learning of a key")
        asked.next.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(asked.next)


async def _learn(asked: _Asked) -> None:
    loop = asyncio.get_running_loop()
    try:
        await asyncio.sleep(asked.last_at + LEARN_EVERY_S - loop.time())
    finally:
        # From here on others need another reading: this one may miss what they have met.
        asked.next = None
    asked.last_at = loop.time()
    await read_keys()


async def run(*, revoked: Callable[[], Awaitable[None]]) -> None:
    """Read the keys again and again, until cancelled; `revoked` is called when one that was in force is revoked."""
    is_away = False
    told = _keys.revocations  # others of this process, in loops of their own, are told by themselves
    while True:
        try:
            await read_keys()
            is_away = False
        except PyMongoError as error:
            if not is_away:
                log.warning("signing keys cannot be read: what was read last goes on", error=type(error).__name__)
            is_away = True
            _keys.renew()  # time passes all the same
        except Exception:
            log.exception("signing keys cannot be read")
        if _keys.revocations != told:
            told = _keys.revocations
            await revoked()
        await asyncio.sleep(READ_EVERY_S)


def _signature(ring: KeyRing) -> tuple[str, ...]:
    return (ring.signing.verifying.kid if ring.signing else "", *(key.kid for key in ring.keys))
