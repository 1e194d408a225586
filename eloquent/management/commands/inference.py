"""`manage.py inference check`: whether each language model answers, how fast, and at what cost."""

import asyncio
import sys
from argparse import ArgumentParser
from contextlib import aclosing
from typing import Any, Final, TextIO, cast

import msgspec
from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from eloquent.foundation.errors import EloquentError
from eloquent.management.checkup import OK, Checked, check_up
from eloquent.management.commands.ask import INTERRUPTED, NOTHING_CONFIGURED, close_connections, discreet_log
from eloquent.management.generation import seconds
from inference.admin.money import money_shown
from inference.catalog import model_named, models_offered, providers_unreachable
from inference.errors import NoModelAvailable
from inference.providers.configured import configured_providers

PATIENCE_S: Final = 120.0
"""A cold model of some size is loaded within this."""
_COLUMNS: Final = ("model", "outcome", "first token", "tokens/s", "input", "output", "cost", "")


class Command(BaseCommand):
    """Exit code 1 when a model does not answer, when a server does not list its models, and when there is no model."""

    help = "Ask each language model one short question, one after the other. Nothing is charged to anybody."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which models, for how long, in which form."""
        check = parser.add_subparsers(dest="act", required=True).add_parser("check", help=self.help)
        check.add_argument("--model", action="append", help="this one alone; may be repeated; all of them without")
        check.add_argument(
            "--timeout", type=seconds, default=PATIENCE_S, help=f"seconds for each model (default: {PATIENCE_S:.0f})"
        )
        check.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how each of them did."""
        del args
        try:
            with discreet_log(verbosity=options["verbosity"]):
                checked = asyncio.run(self._checked(options["model"], options["timeout"]))
        except EloquentError as error:
            nothing = isinstance(error, NoModelAvailable) and not configured_providers()
            self.stderr.write(NOTHING_CONFIGURED if nothing else error.detail)
            sys.exit(1)
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
            sys.exit(INTERRUPTED)
        if options["format"] == "json":
            self.stdout.write(msgspec.json.format(msgspec.json.encode([_flat(each) for each in checked])).decode())
        else:
            self._print(checked)
        if any(each.outcome != OK for each in checked):
            sys.exit(1)

    async def _checked(self, names: list[str] | None, timeout_s: float) -> list[Checked]:
        try:
            models = [await model_named(name) for name in names] if names else await models_offered()
            away = {} if names else providers_unreachable()
            if not models and not away:
                raise NoModelAvailable
            checked: list[Checked] = []
            async with aclosing(check_up(models, timeout_s=timeout_s)) as each:
                async for one in each:
                    if sys.stderr.isatty():
                        self.stderr.write(f"{one.model}: {one.outcome}")
                    checked.append(one)
            unlisted = [Checked(f"{provider}/*", error.code, detail=error.detail) for provider, error in away.items()]
            return checked + unlisted
        finally:
            await close_connections()

    def _print(self, checked: list[Checked]) -> None:
        console = Console(file=cast(TextIO, self.stdout))
        if not sys.stdout.isatty():
            console.width = 400  # a pipe has no width: nothing is folded for grep
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(_COLUMNS):
            table.add_column(column, overflow="fold", justify="right" if 1 < number < len(_COLUMNS) - 1 else "left")
        for each in checked:
            taken = each.taken
            table.add_row(
                each.model,
                each.outcome,
                _shown(taken.first_token_s, ".2f", " s"),
                _shown(taken.tokens_per_s, ".1f"),
                _shown(taken.input_tokens, ",d"),
                _shown(taken.output_tokens, ",d"),
                money_shown(taken.cost_micros).replace("\N{NO-BREAK SPACE}", " "),
                each.detail,
            )
        console.print(table)


def _shown(number: float | None, form: str, unit: str = "") -> str:
    return "-" if number is None else f"{number:{form}}{unit}"


def _flat(each: Checked) -> dict[str, Any]:
    """One object a model: numbers are null where nobody knows them, `cost_micros` is in millionths."""
    return {
        "model": each.model,
        "outcome": each.outcome,
        **msgspec.structs.asdict(each.taken),
        "detail": each.detail or None,
    }
