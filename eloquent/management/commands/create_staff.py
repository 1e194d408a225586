"""Makes someone staff: `manage.py create_staff --email E`."""

import secrets
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.emails import EmailError
from accounts.models import User
from accounts.models.users import GIVEN_PASSWORD_LIVES
from eloquent.foundation.clock import now

_GENERATED_PASSWORD_BYTES = 15  # 20 characters
_ONCE = "It is not shown again."
_CHANGED = f"It is not shown again, and is to be changed at the first sign-in, within {GIVEN_PASSWORD_LIVES.days} days."


class Command(BaseCommand):
    """Creates an account that may do everything in the staff console."""

    help = "Creates a staff account. Without --password-stdin its password is made up and printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        """No password stands on the command line, where others of the machine would see it."""
        parser.add_argument("--email", required=True, help="the account's email address")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from the first line of standard input"
        )
        parser.add_argument(
            "--for-myself",
            action="store_true",
            help="the password is for whoever reads it here, and may stay",
        )
        parser.add_argument("--if-none", action="store_true", help="do nothing when there is a staff account already")

    def handle(
        self, *_args: Any, email: str, password_stdin: bool, for_myself: bool, if_none: bool, **_options: Any
    ) -> None:
        """A made-up password is printed once, and is to be exchanged at the first sign-in unless it is `--for-myself`.

        The email counts as confirmed. With `--if-none` nothing happens, and nothing is said, where there is staff.
        """
        if if_none and User.objects.filter(is_staff=True).exists():
            return
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _made_up_password()
        is_given = not (password_stdin or for_myself)
        try:
            validate_password(password, User(email=email))
            # The operator vouches for the email: the first account must get in where letters cannot be read yet.
            user = User.objects.create_superuser(email, password, password_is_given=is_given, email_verified_at=now())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except EmailError as error:
            raise CommandError(str(error)) from error
        except IntegrityError as error:
            raise CommandError(f"There is an account with the email {email} already.") from error
        record_from_desk(
            Action.STAFF_MADE, subject=user.pk, target=f"user:{user.pk}", email=user.email, password_is_given=is_given
        )
        self.stdout.write(f"Staff account: {user.email}")
        if not password_stdin:
            self.stdout.write(f"Password:      {password}\n{_CHANGED if is_given else _ONCE}")


def _made_up_password() -> str:
    return secrets.token_urlsafe(_GENERATED_PASSWORD_BYTES)
