"""`manage.py migrate_once`: what a deployment runs before its new processes start."""

import asyncio
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from pymongo.errors import PyMongoError

from eloquent.foundation.config import get_config
from eloquent.foundation.masking import mask_uri
from eloquent.management.turns import StillBusy, in_turn


class Command(BaseCommand):
    """Any number of these may run at once, on any machines: one migrates, the others wait and find nothing to do."""

    help = "Apply migrations, one process at a time over all machines; wait for one that is at it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long to wait, and whom to make the first staff."""
        parser.add_argument(
            "--wait", type=float, default=600, metavar="SECONDS", help="for another process, or the database (600)"
        )
        parser.add_argument(
            "--staff", metavar="EMAIL", help="when there is no staff, make this account and print its password once"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Return when all is applied, by whomever."""
        del args
        try:
            asyncio.run(in_turn(partial(self._work, options["staff"]), wait_s=options["wait"], say=self._say))
        except StillBusy as busy:
            raise CommandError(str(busy)) from None
        except (DatabaseError, PyMongoError) as error:
            address = mask_uri(get_config().mongodb_uri.get_secret_value())
            raise CommandError(f"MongoDB at {address} cannot be used: {mask_uri(str(error))}") from error

    def _work(self, staff: str | None) -> None:
        """In a thread of its own, with a connection of its own."""
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", interactive=False, stdout=self.stdout)
            else:
                self._say("Nothing to migrate.")
            if staff is not None:
                call_command("create_staff", email=staff, if_none=True, stdout=self.stdout)
        finally:
            connections.close_all()

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
