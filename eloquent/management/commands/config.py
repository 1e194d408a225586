"""`manage.py config`: every setting as it is in force, and where it came from."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eloquent.foundation.config import effective_settings, get_config


class Command(BaseCommand):
    """Prints the settings; with faults in them Django does not start and `manage.py` lists the faults."""

    help = "Show every setting, its value (secrets masked), its source and its meaning."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """One row a setting."""
        del args, options
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
