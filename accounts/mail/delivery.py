"""Sends what is in the outbox: one letter at a time in a process, again and again while the mail server is away.

A letter may be sent twice when a process dies just after sending it, and is never lost: it leaves the outbox once the
mail server has taken it.
"""

import asyncio
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from django.core.mail import EmailMessage
from pymongo.errors import PyMongoError

from accounts import store
from eloquent.foundation.clock import now
from eloquent.foundation.sealing import SealBroken, unseal

log = structlog.get_logger(__name__)

SEALED_FOR: Final = "outgoing mail"
LOOK_EVERY_S: Final = 5.0
CLAIMED_FOR: Final = timedelta(minutes=2)
SHORTEST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 3600

_arrived = asyncio.Event()


class Letter(msgspec.Struct, frozen=True):
    """A letter as it is sent."""

    to: str
    subject: str
    text: str


def look_now() -> None:
    """A letter was written here: the sender need not wait for its next look."""
    _arrived.set()


async def run() -> None:
    """Send what is due, until cancelled."""
    while True:
        _arrived.clear()
        try:
            await send_all()
        except PyMongoError as error:
            log.warning("letters wait for the database", error=type(error).__name__)
        except Exception:
            log.exception("letters cannot be sent")
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await _arrived.wait()
        except TimeoutError:
            continue


async def send_all() -> None:
    """Send every letter that is due."""
    at = now()
    while (mail := await store.claim_mail(at=at, until=at + CLAIMED_FOR)) is not None:
        if await _send(mail):
            await store.remove_mail(mail.id)
        else:
            wait_s = min(SHORTEST_WAIT_S * 2 ** (mail.attempts - 1), LONGEST_WAIT_S)
            await store.put_mail_off(mail.id, until=now() + timedelta(seconds=wait_s))
        at = now()


async def settle_mail() -> None:
    """Return when nothing that is due is left in the outbox."""
    await send_all()


async def _send(mail: store.OutgoingMail) -> bool:
    """Whether the letter is done with: sent, or never to be read."""
    try:
        letter = msgspec.json.decode(unseal(mail.sealed, SEALED_FOR), type=Letter)
    except (SealBroken, msgspec.DecodeError):
        log.exception("a letter cannot be read: it is dropped", kind=mail.kind)
        return True
    try:
        await asyncio.to_thread(EmailMessage(letter.subject, letter.text, to=[letter.to]).send)
    except Exception as error:  # noqa: BLE001 - whatever a mail server says, it is asked again
        # Its words are not logged: they may repeat the letter.
        log.warning("a letter was not taken", kind=mail.kind, attempts=mail.attempts, error=type(error).__name__)
        return False
    log.info("letter sent", kind=mail.kind)
    return True
