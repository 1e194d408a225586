"""Ending sessions and revoking API keys from the desk road: the admin, commands, the shell.

Deactivating a user, setting their password or deleting them ends their sessions by itself (`connect`, called when the
app is ready). A `QuerySet.update` sends no signal: requests are refused within a second all the same, because they look
at the user too; sockets close when they are next looked at (`accounts.admitted`).
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.db.models.signals import post_delete, post_save

from accounts import liveness, notices
from accounts.api_key_access import forget_api_key
from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.models import ApiKey, Session, User
from eloquent.foundation.clock import now
from eloquent.foundation.ids import SessionId, UserId


def revoke_sessions_of_user(user_id: UserId, *, by: UserId | None = None) -> int:
    """End all sessions of the user and close their sockets; how many there were. `by` is who wants it."""
    living = list(Session.objects.filter(user_id=user_id, revoked_at__isnull=True).values_list("pk", flat=True))
    if living:
        Session.objects.filter(pk__in=living).update(revoked_at=now())
        record_from_desk(Action.SESSIONS_ENDED, actor=by, subject=user_id, many=len(living))
    async_to_sync(_announce)(living, user_id)
    return len(living)


def revoke_session(session: Session, *, by: UserId | None = None) -> bool:
    """End one session and close its sockets; False when it had ended already. `by` is who wants it."""
    if not Session.objects.filter(pk=session.pk, revoked_at__isnull=True).update(revoked_at=now()):
        return False
    record_from_desk(Action.SESSIONS_ENDED, actor=by, subject=session.user.pk, target=f"session:{session.pk}")
    async_to_sync(_announce)([session.pk], None)
    return True


def revoke_api_key(key: ApiKey, *, by: UserId | None = None) -> bool:
    """Refuse the key from now on, within a second everywhere; False when it was revoked already. `by` wants it."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now()):
        return False
    forget_api_key(key.hash)
    record_from_desk(Action.API_KEY_REVOKED, actor=by, subject=key.user.pk, target=f"api_key:{key.pk}")
    return True


def connect() -> None:
    """From now on, changes to users end their sessions."""
    post_save.connect(_on_user_saved, sender=User, dispatch_uid="accounts.revocation.saved")
    post_delete.connect(_on_user_deleted, sender=User, dispatch_uid="accounts.revocation.deleted")


async def _announce(session_ids: list[SessionId], user_id: UserId | None) -> None:
    # In the server this runs in its event loop, which owns what `liveness` remembers.
    liveness.forget(*session_ids)
    if user_id is None:
        await notices.tell_sessions_ended(session_ids)
    else:
        liveness.forget_user(user_id)
        await notices.tell_user_ended(user_id)


def _on_user_saved(instance: User, *, created: bool, **_signal: Any) -> None:
    if not created and (instance.password_was_set or not instance.is_active):
        revoke_sessions_of_user(instance.pk)


def _on_user_deleted(instance: User, **_signal: Any) -> None:
    # The sessions went with their user, before this signal.
    async_to_sync(_announce)([], instance.pk)
