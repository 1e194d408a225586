"""Checking codes of apps and recovery codes: each is good once, and six digits cannot be guessed.

Wrong codes are counted for each user over all sign-ins, in MongoDB, before a code is looked at; a right one is taken
back. So the bounds hold for as many as come at once, and through restarts. They are bounds on whoever has today's
password: a new password begins anew, once a week, and passkeys and recovery codes, which nobody guesses, stay open
(docs/decisions/0038-second-factors.md).
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import CodesExhausted, WrongCode
from accounts.mail.owners import tell, warn
from accounts.second_factor.factors import Factors, Method
from accounts.second_factor.recovery_codes import hash_of_code
from accounts.second_factor.totp import matching_step
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.sealing import SealBroken, unseal

log = structlog.get_logger(__name__)

SEALED_FOR: Final = "totp secret"
# Three codes of a million are good at any moment: 20 wrong ones a week for a year find one with a chance of 0.3 %.
BOUNDS: Final = ((10, timedelta(days=1)), (20, timedelta(days=7)))
# Else whoever reads the owner's mail could have as many passwords, and so guesses, as they like.
FORGIVEN_EVERY: Final = timedelta(days=7)


async def use_totp(user: store.User, factors: Factors, code: str, *, device: Device) -> None:
    """Return when the code is the one that the user's app shows; it is used up.

    Raises:
        WrongCode: it is not, or it was used, or there is no app.
        CodesExhausted: too many wrong codes came, and this one was not looked at.
        Unavailable: the secret cannot be opened with the keys of today.
    """
    kept = factors.kept
    if kept is None or not kept.totp_secret:
        await failed(user, Method.TOTP, device=device)
        raise _wrong("code")
    at = now()
    bounds = [store.GuessBound(amount, at - span) for amount, span in BOUNDS]
    if not await store.add_guess(
        user.id, version=user.token_version, at=at, bounds=bounds, forgiven_before=at - FORGIVEN_EVERY
    ):
        await warn(user, "second_factor_guessed", device=device)
        full = await store.second_factor_of(user.id)  # as it is now: many may have come at once
        raise CodesExhausted(retry_after_s=_wait_s(full.guesses if full else [], at))
    try:
        secret = unseal(kept.totp_secret, SEALED_FOR).decode()
    except SealBroken as error:
        raise Unavailable("Codes cannot be checked right now. Use a recovery code or a passkey.") from error
    step = matching_step(secret, code, at_s=time_s(), after=kept.totp_last_step)
    if step is None or not await store.use_totp_step(user.id, sealed=kept.totp_secret, step=step, guessed_at=at):
        await failed(user, Method.TOTP, device=device)
        raise _wrong("code")


async def use_recovery_code(user: store.User, factors: Factors, code: str, *, device: Device) -> None:
    """Return when this is one of the user's recovery codes; it is used up, and the user told.

    Raises:
        WrongCode: it is not, or it was used.
    """
    code_hash = hash_of_code(user.id, code)
    left = await store.use_recovery_code(user.id, code_hash) if code_hash is not None and factors.any else None
    if left is None:
        await failed(user, Method.RECOVERY_CODE, device=device)
        raise _wrong("recovery_code")
    await record(Action.RECOVERY_CODE_USED, actor=user.id, subject=user.id, device=device, left=left)
    await tell(user, "recovery_code_used", device=device, left=left)


async def failed(user: store.User, method: Method, *, device: Device) -> None:
    """Record that a second factor was not shown."""
    await record(Action.SECOND_FACTOR_FAILED, subject=user.id, device=device, method=method)


def time_s() -> float:
    """The time by which codes are good, in seconds since 1970."""
    return time.time()


def _wrong(field: str) -> WrongCode:
    return WrongCode(errors=[{"loc": ["body", field], "msg": WrongCode.sentence}])


def _wait_s(guesses: Sequence[datetime], at: datetime) -> float:
    """Until the next guess is within all bounds; `guesses` are newest first."""
    ends = [guesses[amount - 1] + span for amount, span in BOUNDS if len(guesses) >= amount]
    return max([1.0, *((end - at).total_seconds() for end in ends)])
