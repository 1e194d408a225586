"""What follows a new password, whichever way it was set."""

from collections.abc import Mapping
from typing import Any

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.life.links import remove_links
from accounts.mail.addresses import link
from accounts.mail.letters import post


async def password_was_changed(
    user: store.User,
    *,
    device: Device,
    action: Action = Action.PASSWORD_CHANGED,
    noted: Mapping[str, Any] | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """End the links in letters, put it on record with what is `noted`, and tell the owner by letter.

    Which sessions end differs: whoever sets the password ends them before.

    Args:
        user: as after the change; the letter goes to its email.
        device: from which it was set.
        action: what it is called on record.
        noted: on record besides.
        told: what the letter says besides; without it, that the owner did it.
    """
    await remove_links(user.id)
    await record(action, actor=user.id, subject=user.id, device=device, **(noted or {}))
    context = {"by": "owner", "link": link("forgot-password"), **(told or {})}
    await post("password_changed", to=user.email, user_id=user.id, context=context)
