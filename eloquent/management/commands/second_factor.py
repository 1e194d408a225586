"""Second factors of people who lost everything: `manage.py second_factor reset EMAIL`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.second_factor.reset import reset_second_factor


class Command(BaseCommand):
    """Removes all second factors of an account. Make sure first that it is the owner who asks."""

    help = "Removes all second factors of an account, tells its owner by letter, and signs out all of their devices."

    def add_arguments(self, parser: CommandParser) -> None:
        """One act, by the account's email."""
        actions = parser.add_subparsers(dest="action", required=True)
        reset = actions.add_parser("reset", help="remove app, recovery codes and passkeys")
        reset.add_argument("email", help="the account's email address")

    def handle(self, *_args: Any, email: str, **_options: Any) -> None:
        """At once, without asking back: the owner is told by letter, and has to sign in again everywhere."""
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no account with the email {email}.")
        removed = reset_second_factor(user)
        if not removed.any:
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(
            f"{user.email}: removed {removed.apps} authenticator app(s), {removed.passkeys} passkey(s) and "
            f"{removed.recovery_codes} recovery code(s); signed out {removed.sessions} device(s)."
        )
