"""Telling the owner of an account, by letter, what became of it."""

from typing import Any, Final

import structlog
from pymongo.errors import PyMongoError

from accounts import store, throttle
from accounts.devices import Device, device_label
from accounts.mail.letters import post
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Throttled

log = structlog.get_logger(__name__)

# A guesser must not fill the owner's inbox.
WARNING_BY_USER: Final = throttle.Limit("second-factor-letter", 1, 86_400)


async def tell(user: store.User, kind: str, *, device: Device, **context: Any) -> None:
    """Post the letter. What it tells has happened: a database that is away now makes no request fail."""
    said = {"at": f"{now():%Y-%m-%d %H:%M} UTC", "device": device_label(device.user_agent), "address": device.address}
    try:
        await post(kind, to=user.email, user_id=user.id, context={**said, **context})
    except PyMongoError as error:
        log.warning("a letter is lost: the database is away", kind=kind, error=type(error).__name__)


async def warn(user: store.User, kind: str, *, device: Device) -> None:
    """As `tell`, at most once a day."""
    try:
        await throttle.spend(WARNING_BY_USER, str(user.id), kind)
    except Throttled:
        return
    await tell(user, kind, device=device)
