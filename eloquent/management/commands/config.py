"""`manage.py config`: every setting as it is in force and where it came from; and beside what AWS has."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eloquent.foundation.config import ConfigFaults, Environment, effective_settings, get_config, unknown_in_aws
from eloquent.foundation.config.aws import read
from eloquent.foundation.config.placement import Stored, path_of, unknown_names
from eloquent.management.aws_settings import (
    Difference,
    How,
    differences,
    faults_after,
    left_in_the_wrong_place,
    settings_in,
    written,
)


class Command(BaseCommand):
    """Prints the settings; with faults in them Django does not start and `manage.py` lists the faults."""

    help = "Show every setting, its value (secrets masked), its source and its meaning; compare with AWS, write to it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Nothing for the list; what to do with a file and AWS."""
        acts = parser.add_subparsers(dest="act", metavar="diff|push")
        for act, what in (
            ("diff", "compare a file of settings with what AWS has; ends with 1 when they differ"),
            ("push", "write to AWS what is missing there or differs: secrets to Secrets Manager, the rest to SSM"),
        ):
            asked = acts.add_parser(act, help=what)
            # A test's settings are nobody's.
            environments = [str(environment) for environment in Environment if environment is not Environment.TEST]
            asked.add_argument("--env", required=True, choices=environments, dest="environment")
            asked.add_argument("--file", type=Path, help="settings in the form of .env (ENV.env)")
            asked.add_argument("--region", help="the AWS region (AWS_REGION)")
            if act == "push":
                asked.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the settings in effect, or compare a file with AWS. All faults are told at once."""
        del args
        try:
            if options["act"] is None:
                self._list()
            else:
                self._compare(options)
        except ConfigFaults as faults:
            raise CommandError("\n".join(map(str, faults.faults))) from None

    def _list(self) -> None:
        """One row a setting."""
        table = Table("setting", "value", "source", "meaning", box=None, pad_edge=False, header_style="bold")
        for setting in effective_settings(get_config()):
            table.add_row(
                *(
                    Text(part, overflow="fold")
                    for part in (setting.name, setting.shown, setting.source, setting.description)
                )
            )
        console = Console(file=sys.stdout)
        if not console.is_terminal:
            # A pipe has no width: nothing is cut or folded for grep and diff.
            console.width = 400
        console.print(table)
        for sentence in unknown_in_aws():
            self.stderr.write(self.style.WARNING(sentence))

    def _compare(self, options: dict[str, Any]) -> None:
        region = options["region"] or get_config().aws_region
        if region is None:
            raise CommandError("In which region? Say --region, or set AWS_REGION.")
        file = options["file"] or Path(f"{options['environment']}.env")
        try:
            here = settings_in(file)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from None
        stored = read(options["environment"], region)
        found = differences(here, stored)
        self.stdout.write(f"{path_of(stored.environment)} in {region}, beside {file}:")
        for sentence in (*found, *left_in_the_wrong_place(here, stored), *unknown_names(stored)):
            self.stdout.write(f"  {sentence}")
        if options["act"] == "push":
            self._push(found, here, stored, asks=not options["yes"])
        elif found or left_in_the_wrong_place(here, stored) or unknown_names(stored):
            sys.exit(1)
        else:
            self.stdout.write("  nothing differs")

    def _push(self, found: list[Difference], here: dict[str, str], stored: Stored, *, asks: bool) -> None:
        refused, missing = faults_after(here, stored)
        if refused:
            raise ConfigFaults(refused)
        for fault in missing:
            self.stdout.write(self.style.WARNING(f"  The service will not start with this. {fault}"))
        changes = [difference for difference in found if difference.how is not How.SURPLUS]
        if changes and asks:
            self._ask(stored.environment, len(changes))
        for sentence in written(changes, stored):
            self.stdout.write(sentence)
        self.stdout.write(
            f"{len(changes)} written. Processes read them when they start." if changes else "Nothing to do."
        )
        if wrong := left_in_the_wrong_place(here, stored):
            raise CommandError(f"Still in the wrong place, and yours to delete: {', '.join(f.name for f in wrong)}.")

    def _ask(self, environment: str, count: int) -> None:
        """Return when the operator agrees. Production's name has to be typed."""
        word = environment if environment == Environment.PROD else "yes"
        try:
            said = input(f"Write {count} to {path_of(environment)}? Type {word}: ")
        except EOFError:
            said = ""
        if said.strip() != word:
            raise CommandError("Nothing was written.")
