"""What staff do in the console, recorded: each object opened, added, changed or deleted, each search, each sign-in."""

from typing import Any

from bson import ObjectId
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.devices import device_of
from eloquent.foundation.ids import UserId, is_id
from eloquent.mongodb.changelists import staff_acted

_USERS = "accounts.user"
_MAX_FIELDS_CHARS = 300


def connect() -> None:
    """From now on, record what staff do."""
    staff_acted.connect(_on_act, dispatch_uid="accounts.audit.acted")
    user_logged_in.connect(_on_sign_in, dispatch_uid="accounts.audit.signed_in")
    user_logged_out.connect(_on_sign_out, dispatch_uid="accounts.audit.signed_out")
    user_login_failed.connect(_on_failure, dispatch_uid="accounts.audit.failed")


def _on_act(request: HttpRequest, act: str, label: str, ids: list[str], message: Any, **_signal: Any) -> None:
    action = Action(f"staff.{act}")
    facts = {"what": label} | ({"fields": fields} if (fields := _fields_of(message)) else {})
    for object_id in ids or [""]:
        target = f"{label}:{object_id}" if object_id else label
        subject = ObjectId(object_id) if label == _USERS and is_id(object_id) else None
        record_from_desk(
            action, actor=_actor(request), subject=subject, target=target, device=device_of(request), **facts
        )


def _fields_of(message: Any) -> str:
    """The names of the fields that were changed, or the sentence of an action; never a value."""
    if isinstance(message, str):
        return message[:_MAX_FIELDS_CHARS]
    names = [
        name
        for entry in message
        if isinstance(entry, dict)
        for what in entry.values()
        if isinstance(what, dict)
        for name in what.get("fields", [])
    ]
    return ", ".join(map(str, names))[:_MAX_FIELDS_CHARS]


def _actor(request: HttpRequest) -> UserId | None:
    user: Any = getattr(request, "user", None)
    return user.pk if user is not None and user.is_authenticated else None


def _on_sign_in(request: HttpRequest | None, user: Any, **_signal: Any) -> None:
    if request is not None:
        record_from_desk(Action.STAFF_SIGNED_IN, actor=user.pk, subject=user.pk, device=device_of(request))


def _on_sign_out(request: HttpRequest | None, user: Any, **_signal: Any) -> None:
    if request is not None and user is not None:
        record_from_desk(Action.STAFF_SIGNED_OUT, actor=user.pk, subject=user.pk, device=device_of(request))


def _on_failure(request: HttpRequest | None = None, **_signal: Any) -> None:
    # Whom they tried is not kept: what is typed there is a password as often as an email.
    if request is not None:
        record_from_desk(Action.STAFF_SIGN_IN_FAILED, device=device_of(request))
