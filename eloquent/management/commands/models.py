"""`manage.py models`: the language models offered, and the servers that do not answer."""

import asyncio
import sys
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from eloquent.foundation.config import get_config
from eloquent.foundation.http import close_http_client
from eloquent.management.commands.ask import NOTHING_CONFIGURED, discreet_log
from inference.catalog import OfferedModel, close_catalog, configured_providers, models_offered, providers_unreachable
from inference.errors import InferenceError


class Command(BaseCommand):
    """A table with one row a model and one for each server that does not answer. Exit code 1 when there is no model."""

    help = "List the language models offered, their context windows, and which servers answer."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        del args
        if not configured_providers():
            self.stderr.write(NOTHING_CONFIGURED)
            sys.exit(1)
        with discreet_log(verbosity=options["verbosity"]):
            models, unreachable = asyncio.run(_listed())
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("model", "provider", "window", "default", "reachable"):
            table.add_column(column, overflow="fold")
        for model in models:
            table.add_row(model.id, model.provider, str(model.context_window), "yes" if model.default else "", "yes")
        for provider, error in unreachable.items():
            table.add_row("", provider, "", "", f"no: {error.detail}")
        console = Console(file=cast(TextIO, self.stdout))
        if not sys.stdout.isatty():
            console.width = 400  # a pipe has no width: nothing is folded for grep
        console.print(table)
        self._say_what_is_missing(models)
        if not models:
            sys.exit(1)

    def _say_what_is_missing(self, models: list[OfferedModel]) -> None:
        wanted = get_config().ollama_model
        names = {name for model in models for name in (model.name, model.name.removesuffix(":latest"))}
        if wanted and wanted.removesuffix(":latest") not in names:
            self.stderr.write(
                f"OLLAMA_MODEL is {wanted}, which is not on the server: `ollama pull {wanted}` brings it."
            )


async def _listed() -> tuple[list[OfferedModel], dict[str, InferenceError]]:
    try:
        return await models_offered(), providers_unreachable()
    finally:
        await close_catalog()
        await close_http_client()
