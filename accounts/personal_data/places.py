"""Where accounts keep personal data: the entries of the register, and what of Django's own belongs to them."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import orjson

from accounts import store
from accounts.personal_data import desk_sessions, exports
from accounts.personal_data.receipts import FORMAT
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import (
    ExportedFile,
    PersonalStore,
    Piece,
    Stage,
    Treatment,
    register,
    register_impersonal,
)
from eloquent.foundation.personal_rows import count_rows, delete_rows, listed, of_model

_PAGE: Final = 200
_OPENS_DOORS: Final = "It is a secret: it lets people in, and says nothing of you."
_OF_STAFF: Final = "It says what staff did in the console, not what you did."


def register_places() -> None:
    """Add them to the register. Called once, when the apps are loaded."""
    register(*_ACCESS, *_STAFF, *_RECORD, _USER, *_ELSEWHERE)
    register_impersonal("passkey_challenges", because="They are random numbers that a passkey is to sign.")
    register_impersonal("audit_head", because="It is where the record of events ends.")
    register_impersonal("signing_keys", because="They are the service's own.")
    register_impersonal(
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
        "django_migrations",
        because="It says what rights there are, not who has them.",
    )


async def _profile(owner: UserId) -> AsyncIterator[ExportedFile]:
    async def pieces() -> AsyncIterator[Piece]:
        user = await store.user_by_id(owner)
        if user is None:
            return
        groups = await store.names_of_groups(await store.groups_of(owner))
        profile = {
            "format": "eloquent.profile/1",
            "id": str(user.id),
            "email": user.email,
            "email_verified_at": user.email_verified_at,
            "name": user.name,
            "is_staff": user.is_staff,
            "groups": sorted(groups),
            "created_at": user.created_at,
            "last_login": user.last_login,
        }
        yield Piece(orjson.dumps(profile, option=orjson.OPT_UTC_Z) + b"\n", 1)

    yield ExportedFile("profile.json", pieces())


async def _events(owner: UserId) -> AsyncIterator[dict[str, Any]]:
    before: int | None = None
    while page := await store.audit_entries_of(owner, before=before, limit=_PAGE):
        for entry in page:
            # Where staff did it, address and program are theirs.
            own: dict[str, Any] = orjson.loads(entry.private) if entry.private and entry.actor_id == owner else {}
            yield {
                "at": entry.at,
                "action": entry.action,
                "by_you": entry.actor_id == owner,
                "target": entry.target,
                "facts": orjson.loads(entry.facts),
                "address": own.get("address", ""),
                "user_agent": own.get("user_agent", ""),
            }
        before = page[-1].number


async def _activity(owner: UserId) -> AsyncIterator[ExportedFile]:
    yield ExportedFile("activity.json", listed("activity", _events(owner)))


async def _erase_user(owner: UserId) -> int:
    return await delete_rows("accounts.User", "_id", owner)


_ACCESS: Final[Sequence[PersonalStore]] = (
    of_model(
        "accounts.Session",
        "sessions",
        "devices that you were signed in with, with their addresses",
        exports=(
            *("id", "label", "ip", "country", "city", "user_agent", "signed_in_with"),
            *("created_at", "last_seen_at", "expires_at", "revoked_at"),
        ),
    ),
    of_model(
        "accounts.ApiKey",
        "api_keys",
        "keys of your programs",
        exports=(
            *("id", "name", "prefix", "scopes", "requests_per_minute"),
            *("created_at", "expires_at", "last_used_at", "revoked_at"),
        ),
    ),
    of_model(
        "accounts.Passkey",
        "passkeys",
        "passkeys that sign you in",
        exports=("id", "name", "transports", "backed_up", "created_at", "last_used_at", "cloned_at"),
    ),
    of_model(
        "accounts.SecondFactor",
        "second_factor",
        "your authenticator app, recovery codes, and when wrong codes came",
        exports=("created_at", "totp_added_at", "recovery_made_at", "guesses", "guesses_forgiven_at"),
    ),
    PersonalStore(
        name="sign_in_challenges",
        what="sign-ins that wait for their second step, with their address",
        treatment=Treatment.KEEP,
        stage=Stage.ACCESS,
        because="They lead nowhere once you are gone, and go by themselves.",
        kept_for="6 minutes at most",
        models=("accounts.SignInChallenge",),
        not_exported=_OPENS_DOORS,
    ),
    of_model(
        "accounts.OutgoingMail",
        "letters",
        "letters to you that were not sent yet",
        not_exported="They are on their way to you.",
    ),
    of_model(
        "accounts.AccountLink", "links", "links in letters to you that were not used yet", not_exported=_OPENS_DOORS
    ),
    of_model(
        "accounts.EmailChange",
        "email_change",
        "a change of your email that waits to be confirmed",
        exports=(
            *("id", "old_email", "new_email", "created_at", "expires_at"),
            *("needs_current", "current_confirmed_at", "new_confirmed_at"),
        ),
    ),
    PersonalStore(
        name="invitations",
        what="invitations that you came with, were sent, or sent",
        treatment=Treatment.DELETE,
        stage=Stage.ACCESS,
        models=("accounts.Invitation",),
        erase=store.erase_invitations_of,
        count=store.count_invitations_of,
        not_exported=_OPENS_DOORS,
    ),
    of_model("accounts.User_groups", "groups", "groups that you were in", not_exported="profile.json names them."),
    of_model(
        "accounts.User_user_permissions", "rights", "rights that you had in the staff console", not_exported=_OF_STAFF
    ),
    PersonalStore(
        name="exports",
        what="exports of your data that you asked for, and their files",
        treatment=Treatment.DELETE,
        stage=Stage.ACCESS,
        models=("accounts.DataExport",),
        erase=exports.erase_some,
        count=partial(count_rows, "accounts.DataExport", "user_id"),
        not_exported="It is one of them.",
        halt=exports.halt,
    ),
    of_model(
        "accounts.ExternalIdentity",
        "identities",
        "accounts elsewhere that you could sign in with",
        exports=("id", "issuer", "subject", "email", "created_at", "last_used_at"),
    ),
    PersonalStore(
        name="openid_attempts",
        what="sign-ins with an account elsewhere that were not finished",
        treatment=Treatment.KEEP,
        stage=Stage.ACCESS,
        because="They open nothing once you are signed out.",
        kept_for="12 minutes at most",
        models=("accounts.OpenidAttempt", "accounts.OpenidResult"),
        not_exported=_OPENS_DOORS,
    ),
    PersonalStore(
        name="socket_tickets",
        what="one-use tickets for a connection",
        treatment=Treatment.KEEP,
        stage=Stage.ACCESS,
        because="They are random numbers that open nothing once you are signed out.",
        kept_for="90 seconds at most",
        models=("accounts.SocketTicket",),
        not_exported=_OPENS_DOORS,
    ),
)

_STAFF: Final[Sequence[PersonalStore]] = (
    of_model(
        "admin.LogEntry",
        "console_log",
        "what you did in the staff console; and where staff's log named what is yours, the names",
        not_exported=_OF_STAFF,
    ),
    PersonalStore(
        name="console_sessions",
        what="browsers that were signed in to the staff console",
        treatment=Treatment.DELETE,
        stage=Stage.ACCESS,
        models=("sessions.Session",),
        erase=desk_sessions.erase_some,
        count=desk_sessions.count,
        not_exported=_OPENS_DOORS,
    ),
)

_RECORD: Final[Sequence[PersonalStore]] = (
    PersonalStore(
        name="activity",
        what="the record of security events: your email, addresses and programs are taken out of it",
        treatment=Treatment.ANONYMISE,
        stage=Stage.RECORD,
        because="What happened must stay provable. What is left names a number that leads to nobody.",
        kept_for="as long as the service keeps its record of events",
        models=("accounts.AuditEntry",),
        erase=store.erase_private_parts_of,
        count=partial(count_rows, "accounts.AuditEntry", "subject_id"),
        export=_activity,
    ),
    PersonalStore(
        name="erasures",
        what="this receipt",
        treatment=Treatment.KEEP,
        stage=Stage.RECORD,
        because=f"It is your proof ({FORMAT}), and says nothing of you.",
        kept_for="three years",
        models=("accounts.Erasure",),
        not_exported="There is none while the account is there.",
    ),
)

_USER: Final = PersonalStore(
    name="user",
    what="your account: email, name, password",
    treatment=Treatment.DELETE,
    stage=Stage.PERSON,
    models=("accounts.User",),
    erase=_erase_user,
    count=partial(count_rows, "accounts.User", "_id"),
    export=_profile,
)

_ELSEWHERE: Final[Sequence[PersonalStore]] = (
    PersonalStore(
        name="throttles",
        what="counts of attempts to sign in and the like, under hashes, in Redis or in memory",
        treatment=Treatment.KEEP,
        stage=Stage.ACCESS,
        because="They keep others from guessing passwords, and do not say who it was.",
        kept_for="a day at most",
        not_exported="They are numbers without a name.",
    ),
    PersonalStore(
        name="last_letter",
        what="the letter that brings you this receipt, sealed",
        treatment=Treatment.KEEP,
        stage=Stage.RECORD,
        because="It is sent when everything else is gone.",
        kept_for="until it is sent, three days at most",
        not_exported="It is sent to you.",
    ),
    PersonalStore(
        name="logs",
        what="log files: ids, addresses, and what went wrong, never what you wrote",
        treatment=Treatment.KEEP,
        stage=Stage.RECORD,
        because="Faults and attacks are found in them.",
        kept_for="as long as the operator keeps logs",
        not_exported="They are about the service, and name others, too.",
    ),
    PersonalStore(
        name="backups",
        what="backups of the database",
        treatment=Treatment.KEEP,
        stage=Stage.RECORD,
        because="Nothing is taken out of a backup. When one is put back, erasures since then are done again by staff.",
        kept_for="as long as the operator keeps backups",
        not_exported="They hold what the export holds.",
    ),
)
