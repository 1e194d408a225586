"""`manage.py up`: the whole chat on this machine, with the servers that no setting names."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from pymongo.errors import PyMongoError

from eloquent.embedded.machine import Machine
from eloquent.embedded.terminal import Terminal
from eloquent.foundation.config import effective_settings, get_config
from eloquent.foundation.masking import mask_uri

STAFF_EMAIL = "staff@eloquent.local"


class Command(BaseCommand):
    """Starts what is missing, prepares the database, serves, and stops everything in order."""

    help = "Start the chat with all it needs: database, cache and a small language model where no setting names one."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Host, port and workers as in the settings; the options win."""
        parser.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
        parser.add_argument(
            "--port", type=int, help="port to listen on (PORT, 8000); the next free one when it is taken"
        )
        parser.add_argument(
            "--workers", type=int, choices=range(1, 65), metavar="N", help="server processes (WORKERS, 1)"
        )
        parser.add_argument(
            "--prepare-only",
            action="store_true",
            help="start nothing: bring the database up to date, make the first staff account, and end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ends the process with the machine's exit code."""
        del args
        if options["prepare_only"]:
            self._prepare_database()
            return
        config = get_config()
        named = {setting.name for setting in effective_settings(config) if setting.source in {"environment", ".env"}}
        machine = Machine(
            config.eloquent_state_dir,
            named,
            host=options["host"] or config.host,
            port=config.port if options["port"] is None else options["port"],
            workers=config.workers if options["workers"] is None else options["workers"],
            terminal=Terminal(),
        )
        sys.exit(machine.run())

    def _prepare_database(self) -> None:
        """Migrates when there is something to migrate, and makes the first staff account when there is none."""
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                # Its lines go to the errors, because what is printed here is shown to the user.
                call_command("migrate", interactive=False, stdout=self.stderr)
            self._make_first_staff_account()
        except (DatabaseError, PyMongoError) as error:
            address = mask_uri(get_config().mongodb_uri.get_secret_value())
            raise CommandError(f"MongoDB at {address} cannot be used: {error}") from error

    def _make_first_staff_account(self) -> None:
        """What it prints, a password, goes to our output alone. A name that is taken is no reason not to serve."""
        try:
            call_command("create_staff", email=STAFF_EMAIL, if_none=True, for_myself=True, stdout=self.stdout)
        except CommandError as error:
            self.stdout.write(f"No staff account was made: {error} Make one: manage.py create_staff --email ADDRESS")
