"""Taking all second factors from an account: for operators who made sure that it is its owner who lost them."""

from typing import Any

import msgspec
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session as ConsoleSession
from django.db.models import F

from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.mail.letters import post_from_desk
from accounts.models import Passkey, SecondFactor, User
from accounts.revocation import revoke_sessions_of_user
from eloquent.foundation.clock import now


class Removed(msgspec.Struct, frozen=True):
    """How much there was."""

    apps: int
    passkeys: int
    recovery_codes: int
    sessions: int

    @property
    def any(self) -> bool:
        """Whether there was a second factor."""
        return bool(self.apps or self.passkeys)


def reset_second_factor(user: User) -> Removed:
    """Remove them all, end all sessions, the console's too, and every sign-in that is under way; record it, tell it.

    For a user without a second factor nothing happens.
    """
    kept = SecondFactor.objects.filter(user=user).first()
    apps = int(kept is not None and bool(kept.totp_secret))
    codes = len(kept.recovery_codes) if kept is not None else 0
    passkeys = Passkey.objects.filter(user=user).count()
    if not apps and not passkeys:
        return Removed(0, 0, 0, 0)
    # First the door is shut: what is signed in, or half-way in, came by the factors that are to go.
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    sessions = revoke_sessions_of_user(user.pk) + _end_console_sessions(user)
    Passkey.objects.filter(user=user).delete()
    SecondFactor.objects.filter(user=user).delete()
    removed = Removed(apps, passkeys, codes, sessions)
    record_from_desk(Action.SECOND_FACTOR_RESET, subject=user.pk, apps=apps, passkeys=passkeys, sessions=sessions)
    said: dict[str, Any] = {"at": f"{now():%Y-%m-%d %H:%M} UTC"}
    post_from_desk("second_factor_reset", to=user.email, user_id=user.pk, context=said)
    return removed


def _end_console_sessions(user: User) -> int:
    """Django keeps whose a session is inside of it: there are as many as staff are signed in."""
    theirs = [
        session.pk
        for session in ConsoleSession.objects.filter(expire_date__gt=now())
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    ConsoleSession.objects.filter(pk__in=theirs).delete()
    return len(theirs)
