"""Guessing at an account, slowed for strangers and not for its owner; one count for all doors.

Whoever tries takes a place first, among those who are like him:

- a *device* that signed in to this account before and has a token of that (`accounts.limits.device_tokens`),
- an *address* from which the account was used in the last 30 days, or
- all *strangers* of the account together, wherever they come from.

Each of these is slowed by itself (`accounts.limits.slowing`), so however many strangers guess, the owner comes in from
where he has been before. Strangers, and known addresses, are also limited by their address for all accounts together.

Emails without an account are counted and refused in the same way and words. Only who shares an address with an owner
could learn that the account exists, from not being counted with the strangers there.

    attempt = await guessing.begin(email, device, tokens)
    ...
    await attempt.failed()     # or: await attempt.succeeded()

An attempt that is neither has failed.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from accounts import store, throttle
from accounts.addresses import throttle_key
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.limits import levels
from accounts.limits.device_tokens import known_device
from accounts.limits.slowing import is_locked
from accounts.mail.letters import post
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Throttled
from eloquent.foundation.ids import UserId

log = structlog.get_logger(__name__)

ADDRESS_KNOWN_FOR: Final = timedelta(days=30)

_RECORDED: Final = throttle.Limit("lock-recorded", 1, 3600)
_TOLD: Final = throttle.Limit("lock-told", 1, 24 * 3600)

_telling: set[asyncio.Task[None]] = set()


class Kind(StrEnum):
    """Whom a try is counted with."""

    DEVICE = "device"
    ADDRESS = "address"
    STRANGERS = "strangers"
    SIGNED_IN = "signed_in"


class Attempt:
    """A try that has its place: it counts as failed until it has succeeded."""

    def __init__(
        self, kind: Kind, key: str, tries: float, device: Device, *, email: str, user_id: UserId | None
    ) -> None:
        self._kind = kind
        self._key = key
        self._tries = tries
        self._device = device
        self._email = email
        self._user_id = user_id

    async def failed(self) -> None:
        """It was a wrong guess. When it locks, that is recorded, and the owner told."""
        if is_locked(self._tries):
            telling = asyncio.create_task(self._tell())
            _telling.add(telling)
            telling.add_done_callback(_telling.discard)

    async def succeeded(self) -> None:
        """It was the owner. What was guessed by strangers stays counted; what this device or address missed is not."""
        if self._kind is Kind.STRANGERS:
            await levels.take_back(self._key)
        else:
            await levels.forget(self._key)

    async def _tell(self) -> None:
        # Beside the request: how long it takes would tell whether there is an account.
        try:
            user = await (store.user_by_id(self._user_id) if self._user_id else store.user_by_email(self._email))
            if user is None or not user.is_active:
                return
            if await _is_first(_RECORDED, user.email):
                await record(
                    Action.SIGN_IN_LOCKED, subject=user.id, device=self._device, email=user.email, by=self._kind.value
                )
            if await _is_first(_TOLD, user.email):
                await post("sign_in_locked", to=user.email, user_id=user.id)
        except PyMongoError as error:
            log.warning("a lock is not told", error=type(error).__name__)


async def begin(email: str, device: Device, tokens: Iterable[str] = ()) -> Attempt:
    """Take a place for one try at the account with the email.

    Args:
        email: in its stored form, whether there is an account or not.
        device: where the try comes from.
        tokens: the device tokens that came with it.

    Raises:
        Throttled: not now; says when. No password should be looked at.
    """
    nonce = known_device(tokens, email)
    if nonce is not None:
        return await _taken(Kind.DEVICE, (nonce, email), device, email=email)
    address = throttle_key(device.address)
    await throttle.spend(throttle.SIGN_IN_BY_ADDRESS, address)
    used = await store.addresses_used(email, since=now() - ADDRESS_KNOWN_FOR)
    if device.address and address in map(throttle_key, used):
        return await _taken(Kind.ADDRESS, (address, email), device, email=email)
    return await _taken(Kind.STRANGERS, (email,), device, email=email)


async def begin_again(user_id: UserId, device: Device, what: str = "password") -> Attempt:
    """Take a place for one try of somebody who is signed in already, or has got past the password.

    Args:
        user_id: who.
        device: where the try comes from.
        what: is guessed at: each has its own count.

    Raises:
        Throttled: not now; says when.
    """
    return await _taken(Kind.SIGNED_IN, (what, str(user_id)), device, user_id=user_id)


async def settle_guessing() -> None:
    """Return when every lock that is being told has been."""
    await asyncio.gather(*_telling, return_exceptions=True)


async def _taken(
    kind: Kind, who: tuple[str, ...], device: Device, *, email: str = "", user_id: UserId | None = None
) -> Attempt:
    # Hashed: emails do not belong in Redis, and what a stranger sends must not shape or lengthen a key.
    key = hashlib.sha256("\0".join((kind.value, *who)).encode()).hexdigest()[:32]
    wait_s, tries = await levels.take(key)
    if wait_s > 0:
        raise Throttled(retry_after_s=round(wait_s + 0.05, 1))
    return Attempt(kind, key, tries, device, email=email, user_id=user_id)


async def _is_first(limit: throttle.Limit, email: str) -> bool:
    try:
        await throttle.spend(limit, email)
    except Throttled:
        return False
    return True
