"""What `manage.py check` says of accounts: with `--deploy`, and of the keys on record with `--database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from eloquent.foundation.config import get_config

_HINT = "Put the SECRET_KEY before this one into SECRET_KEY_FALLBACKS, or run `manage.py jwt rotate --now`."


@register("accounts", Tags.database)
def check_signing_keys(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Keys that sign access tokens and cannot be opened. Asks the database, so only when that is to be checked."""
    if not databases or "default" not in databases:
        return []
    from accounts.key_rotation import KeyState, key_lines  # needs the models, which are loaded by now

    try:
        lines = key_lines()
    except (DatabaseError, PyMongoError):
        return []  # whoever checks the connection says so
    found: list[CheckMessage] = []
    closed = [line.kid for line in lines if line.state is KeyState.SEALED]
    if closed:
        found.append(
            Warning(
                f"Signing keys cannot be opened with this SECRET_KEY: {', '.join(closed)}.",
                hint=_HINT,
                id="accounts.W001",
            )
        )
    if not any(line.state is KeyState.SIGNS for line in lines):
        found.append(
            Error(
                "No key is left that may sign access tokens: nobody can sign in.",
                hint="Run `manage.py jwt rotate --now`.",
                id="accounts.E001",
            )
        )
    return found


@register(Tags.security, deploy=True)
def staff_have_a_second_factor(**_options: Any) -> list[CheckMessage]:
    """A warning when, in staging or production, a password alone opens the staff console."""
    config = get_config()
    if not config.strict or config.staff_second_factor:
        return []
    return [
        Warning(
            "A password alone opens the staff console to staff who have set up no second factor.",
            hint="Set STAFF_SECOND_FACTOR=true.",
            id="accounts.W002",
        )
    ]
