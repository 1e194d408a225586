"""Invites somebody: `manage.py invite ann@example.org --group Readers`."""

from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.emails import EmailError, normalise_email
from accounts.life.invitations import DAYS, MOST_DAYS, invite, why_not


class Command(BaseCommand):
    """Makes an invitation, sends its letter where mail is on, and prints its link once."""

    help = "Invites somebody to make an account. The link is printed, and sent by letter where there is an email."

    def add_arguments(self, parser: CommandParser) -> None:
        """Without an email the link is for whoever has it."""
        parser.add_argument("email", nargs="?", default="", help="whom to invite; without, whoever has the link")
        parser.add_argument("--group", help="the group that they join")
        parser.add_argument("--days", type=int, default=DAYS, help=f"how long it can be used (1 to {MOST_DAYS})")

    def handle(self, *_args: Any, email: str, group: str | None, days: int, **_options: Any) -> None:
        """The group must be there. The link cannot be shown again: only its hash is kept."""
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days is a number from 1 to {MOST_DAYS}.")
        try:
            email = normalise_email(email) if email else ""
        except EmailError as error:
            raise CommandError(str(error)) from error
        if reason := why_not(email):
            raise CommandError(reason)
        joined = Group.objects.filter(name=group).first() if group else None
        if group and joined is None:
            raise CommandError(f"There is no group {group}.")
        invitation, address = invite(email=email, group_id=None if joined is None else joined.pk, days=days)
        until = f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(f"Invited: {email or 'whoever has the link'}, until {until}")
        self.stdout.write(f"Link:    {address}\nIt is not shown again.")
