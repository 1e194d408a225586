"""What becomes of an account that staff change: its owner is told, what it had going on ends."""

from typing import Any

from asgiref.sync import async_to_sync
from django.db.models.signals import post_save

from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.life.closing import tell_rooms
from accounts.life.links import remove_links
from accounts.mail.addresses import link
from accounts.mail.letters import post_from_desk
from accounts.models import User


def connect() -> None:
    """From now on, watch what the desk road does to users. A `QuerySet.update` sends no signal."""
    post_save.connect(_on_user_saved, sender=User, dispatch_uid="accounts.life.saved")


def tell_of_new_email(user: User, *, old: str) -> None:
    """Write to both addresses of an account whose email staff have changed."""
    async_to_sync(remove_links)(user.pk)
    record_from_desk(Action.EMAIL_CHANGED, subject=user.pk, by="staff")
    for address in (old, user.email):
        post_from_desk("email_changed", to=address, user_id=user.pk, context={"is_old": address == old, "by": "staff"})


def _on_user_saved(instance: User, *, created: bool, **_signal: Any) -> None:
    if created:
        return
    if not instance.is_active:
        async_to_sync(tell_rooms)(instance.pk)
    if instance.password_was_set:
        async_to_sync(remove_links)(instance.pk)
        record_from_desk(Action.PASSWORD_CHANGED, subject=instance.pk, by="staff")
        context = {"by": "staff", "link": link("forgot-password")}
        post_from_desk("password_changed", to=instance.email, user_id=instance.pk, context=context)
