"""Inviting somebody: by staff, in the console or by `manage.py invite`."""

from datetime import timedelta
from typing import Final

from asgiref.sync import async_to_sync
from bson import ObjectId

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.life.links import new_token
from accounts.mail.addresses import link
from accounts.mail.letters import post_from_desk
from accounts.models import Invitation, User
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import UserId

DAYS: Final = 14
MOST_DAYS: Final = 90


def why_not(email: str) -> str | None:
    """A sentence that says why nobody can be invited, or not this email (in its stored form); None when they can."""
    if get_config().registration == "closed":
        return "Nobody can make an account while REGISTRATION is closed, not even with an invitation."
    if email and User.objects.filter(email=email).exists():
        return f"There is an account with the email {email} already."
    return None


def invite(
    *, email: str = "", group_id: ObjectId | None = None, days: int = DAYS, invited_by: UserId | None = None
) -> tuple[Invitation, str]:
    """A new invitation and the address that it is used at, which is shown this once. For the desk road.

    With an email, in its stored form, it is for that one alone, and a letter goes there where mail is on.
    """
    token, at = new_token(), now()
    invitation = store.Invitation(
        id=ObjectId(),
        hash=hash_of(token),
        email=email,
        invited_by_id=invited_by,
        group_id=group_id,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    async_to_sync(store.add_invitation)(invitation)
    address = link("accept-invitation", token)
    if email and get_config().sends_mail:
        post_from_desk("invitation", to=email, user_id=None, context={"link": address, "days": days})
    # Not for whom: they have no account that an erasure could find this by. The invitation itself says it.
    target, group = f"invitation:{invitation.id}", str(group_id or "")
    record_from_desk(Action.INVITED, actor=invited_by, target=target, days=days, group=group)
    return Invitation.objects.get(pk=invitation.id), address
