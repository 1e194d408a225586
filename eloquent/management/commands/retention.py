"""`manage.py retention preview`: which conversations would be deleted, before anybody turns it on or changes a rule."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat import store
from chat.models import RetentionRule
from chat.retention import sweeping
from eloquent.foundation.clock import now
from eloquent.foundation.database import close_database


class Command(BaseCommand):
    """Tells how long conversations are kept, and which are over."""

    help = "Tells which conversations the next sweep of retention would delete. Deletes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """A word that says that nothing is deleted."""
        parser.add_argument("what", choices=["preview"], help="preview: tell, and delete nothing")

    def handle(self, *_args: Any, **_options: Any) -> None:
        """The rules, and how many conversations of how many people the next sweep would delete. No id, no title."""
        names = {rule.group.pk: str(rule.group) for rule in RetentionRule.objects.select_related("group")}
        asyncio.run(self._tell(names))

    async def _tell(self, names: dict[Any, str]) -> None:
        try:
            retention = await sweeping.current_retention()
            self.stdout.write(f"Everybody without a rule: {_told(retention.days)}")
            for rule in await store.retention_rules():
                self.stdout.write(f"{names.get(rule.group_id, rule.group_id)}: {_told(rule.days)}")
            owners, many, oldest = set(), 0, None
            async for conversation, is_over in sweeping.conversations_over(retention, now()):
                if is_over:
                    oldest = oldest or conversation.updated_at
                    owners.add(conversation.user_id)
                    many += 1
        finally:
            await close_database()
        since = "" if oldest is None else f"; nobody went on with the oldest since {oldest:%Y-%m-%d}"
        people = f"{len(owners)} user{'s' * (len(owners) != 1)}"
        self.stdout.write(f"{many} conversation{'s' * (many != 1)} of {people} would be deleted{since}.")


def _told(days: int) -> str:
    return f"{days} day{'s' * (days != 1)}" if days else "for ever"
