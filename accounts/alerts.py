"""Tells the owner of an account what may have been somebody else: by letter, and on the devices that are open.

Nobody can turn this off: whoever has broken in would do that first. An alert never makes a request fail.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from accounts import notices, store, throttle
from accounts.addresses import throttle_key
from accounts.devices import Device, device_label
from accounts.mail.letters import post
from accounts.throttle import Limit
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Throttled

log = structlog.get_logger(__name__)

# Registering is no news to whoever does it.
NEW_ACCOUNT_FOR: Final = timedelta(hours=1)
# So many sign-ins are looked back; who has more has been told often enough.
_MOST_DEVICES: Final = 200


async def tell_of_sign_in(user: store.User, session: store.Session) -> None:
    """Write to the user when nobody has signed in to the account with such a device from such an address.

    Sessions are the memory of it, which a device that is not used any more leaves after 30 days. Of an address of
    version 6 the network counts: a device changes the rest by itself.
    """
    try:
        known = await store.devices_of(user.id, but=session.id, limit=_MOST_DEVICES)
    except PyMongoError as error:
        log.warning("nobody knows whether a device is new", error=type(error).__name__)
        return
    if not known and session.created_at - user.created_at < NEW_ACCOUNT_FOR:
        return
    network = throttle_key(session.ip)
    if any(label == session.label and throttle_key(ip) == network for ip, label in known):
        return
    await _write(
        throttle.SIGN_IN_LETTER_BY_USER,
        "new_sign_in",
        user,
        {"device": session.label, "at": _shown(session.created_at), "place": place_of(session)},
    )


async def tell_of_reuse(user: store.User, session: store.Session, device: Device) -> None:
    """A refresh token of the session was used again, by `device`, and the session has ended."""
    at = now()
    await notices.tell_user(user.id, notices.SessionReused(str(session.id), session.label, at))
    await _write(
        throttle.REUSE_LETTER_BY_USER,
        "session_reused",
        user,
        {
            "device": session.label,
            "signed_in_at": _shown(session.created_at),
            "at": _shown(at),
            "used_by": device_label(device.user_agent),
            "place": place_of(device),
        },
    )


def place_of(where: store.Session | Device) -> str:
    """The address and, where a proxy told it, city and country: "203.0.113.7 (Bern, CH)"."""
    address = (where.ip if isinstance(where, store.Session) else where.address) or "an unknown address"
    named = ", ".join(part for part in (where.city, where.country) if part)
    return f"{address} ({named})" if named else address


async def _write(limit: Limit, kind: str, user: store.User, context: dict[str, str]) -> None:
    try:
        await throttle.spend(limit, str(user.id))
        await post(kind, to=user.email, user_id=user.id, context=context)
    except Throttled:
        log.info("a letter is not written: there was one", kind=kind, user=str(user.id))
    except PyMongoError as error:
        log.warning("a letter is not written: the database is away", kind=kind, error=type(error).__name__)


def _shown(moment: datetime) -> str:
    return moment.strftime("%d %B %Y, %H:%M UTC").lstrip("0")
