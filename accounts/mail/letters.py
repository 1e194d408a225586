"""Letters: written from their templates, and put into the outbox."""

import functools
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog
from asgiref.sync import async_to_sync
from bson import ObjectId
from django.template.loader import get_template

from accounts import store
from accounts.mail import delivery
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import UserId
from eloquent.foundation.sealing import seal

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=3)


async def post(kind: str, *, to: str, user_id: UserId | None, context: dict[str, Any] | None = None) -> None:
    """Put a letter into the outbox; a task of the server sends it, whatever the request's fate.

    Nothing is written where mail is off.

    Args:
        kind: the template's name, `accounts/mail/<kind>.txt`: a line with the subject, an empty line, the text.
        to: an email in its stored form.
        user_id: whose letter it is; it goes with the account. None for somebody without one.
        context: what the template needs beside `to` and `site`.

    Raises:
        pymongo.errors.PyMongoError: the database is away.
    """
    if not get_config().sends_mail:
        log.warning("a letter is not sent: mail is off", kind=kind)
        return
    at = now()
    letter = written(kind, to=to, context=context or {})
    await store.add_mail(
        store.OutgoingMail(
            id=ObjectId(),
            user_id=user_id,
            kind=kind,
            sealed=seal(msgspec.json.encode(letter), delivery.SEALED_FOR),
            created_at=at,
            due_at=at,
            expires_at=at + KEPT,
        )
    )
    delivery.look_now()


def post_from_desk(kind: str, *, to: str, user_id: UserId | None, context: dict[str, Any] | None = None) -> None:
    """As `post`, for the admin and commands; a command's letter is sent by the next server that looks."""
    async_to_sync(functools.partial(post, kind, to=to, user_id=user_id, context=context))()


def written(kind: str, *, to: str, context: dict[str, Any]) -> delivery.Letter:
    """The letter as it will be sent."""
    text = get_template(f"accounts/mail/{kind}.txt").render({**context, "to": to, "site": "Eloquent AI"})
    subject, _, body = text.partition("\n\n")
    return delivery.Letter(to=to, subject=" ".join(subject.removeprefix("Subject:").split()), text=body.strip() + "\n")
