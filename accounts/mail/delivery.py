"""Sends what is in the outbox: one letter at a time in a process, again and again while the mail server is away.

A letter may be sent twice when a process dies just after sending it, and is never lost: it leaves the outbox once the
mail server has taken it. One that no server will ever take is dropped, and none holds up the others.
"""

import asyncio
import smtplib
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import msgspec
import structlog
from django.core.mail import EmailMessage

from accounts import store
from eloquent.foundation.clock import now
from eloquent.foundation.looking import Looker
from eloquent.foundation.sealing import SealBroken, unseal

log = structlog.get_logger(__name__)

SEALED_FOR: Final = "outgoing mail"
CLAIMED_FOR: Final = timedelta(minutes=2)
SHORTEST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 3600
LONGEST_WAIT_FOR_SERVER_S: Final = 300
# So that programs which answer mail by themselves leave it alone (RFC 3834).
HEADERS: Final = {"Auto-Submitted": "auto-generated"}

# Of SMTP's codes, those from here on mean that asking again is no use.
_REFUSED_FOR_GOOD: Final = 500

_looker = Looker("letters", every_s=5.0)
# Letters that are being claimed, or are with the mail server, at this moment.
_in_hand: set["asyncio.Task[bool]"] = set()


class Letter(msgspec.Struct, frozen=True):
    """A letter as it is sent."""

    to: str
    subject: str
    text: str


def look_now() -> None:
    """A letter was written here: the sender need not wait for its next look."""
    _looker.look_now()


async def run() -> None:
    """Send what is due, until cancelled."""
    await _looker.run(send_all)


class Outcome(Enum):
    """What became of an attempt."""

    SENT = auto()
    NEVER = auto()
    LATER = auto()
    SERVER_AWAY = auto()


async def send_all() -> None:
    """Send every letter that is due; while the mail server is away, only see whether it is back."""
    going_on = True
    while going_on:
        sending = asyncio.ensure_future(_send_next())
        _in_hand.add(sending)
        sending.add_done_callback(_in_hand.discard)
        going_on = await sending


async def _send_next() -> bool:
    """Send one letter that is due; whether another can be."""
    at = now()
    mail = await store.claim_mail(at=at, until=at + CLAIMED_FOR)
    if mail is None:
        return False
    outcome = await _send(mail)
    if outcome in (Outcome.SENT, Outcome.NEVER):
        await store.remove_mail(mail.id)
    else:
        longest_s = LONGEST_WAIT_FOR_SERVER_S if outcome is Outcome.SERVER_AWAY else LONGEST_WAIT_S
        wait_s = min(SHORTEST_WAIT_S * 2 ** (mail.attempts - 1), longest_s)
        await store.put_mail_off(mail.id, until=now() + timedelta(seconds=wait_s))
    # While it is away the others would each wait for the same silence, and be put off for longer and longer.
    return outcome is not Outcome.SERVER_AWAY


async def settle_mail() -> None:
    """Return when nothing that is due is left in the outbox, or in the hands of another task."""
    await send_all()
    while _in_hand:
        await asyncio.wait(list(_in_hand))


async def _send(mail: store.OutgoingMail) -> Outcome:
    try:
        letter = msgspec.json.decode(unseal(mail.sealed, SEALED_FOR), type=Letter)
    except (SealBroken, msgspec.DecodeError):
        log.exception("a letter cannot be read: it is dropped", kind=mail.kind)
        return Outcome.NEVER
    try:
        await asyncio.to_thread(_hand_over, letter)
    except Exception as error:  # noqa: BLE001 - whatever a mail server says, it is asked again
        outcome = _outcome_of(error)
        # Its words are not logged: they may repeat the letter.
        told = {"kind": mail.kind, "attempts": mail.attempts, "error": type(error).__name__, "outcome": outcome.name}
        log.warning("a letter was not taken", **told)
        return outcome
    log.info("letter sent", kind=mail.kind)
    return Outcome.SENT


class _CannotBeWritten(Exception):
    """A line break in a header, an address that is none: whoever is asked to take it."""


def _hand_over(letter: Letter) -> None:
    message = EmailMessage(letter.subject, letter.text, to=[letter.to], headers=HEADERS)
    try:
        message.message()
    except ValueError as error:
        raise _CannotBeWritten from error
    message.send()


def _outcome_of(error: Exception) -> Outcome:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return Outcome.NEVER if min(codes, default=0) >= _REFUSED_FOR_GOOD else Outcome.LATER
    # By its name: reading anymail's errors takes 0.2 s of every start, also of those who use another way.
    refused = "AnymailRecipientsRefused" in {kind.__name__ for kind in type(error).__mro__}
    if refused or isinstance(error, _CannotBeWritten):
        return Outcome.NEVER
    away = (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, smtplib.SMTPAuthenticationError)
    if isinstance(error, away) or (isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException)):
        return Outcome.SERVER_AWAY
    return Outcome.LATER
