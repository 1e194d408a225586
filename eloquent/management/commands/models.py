"""`manage.py models`: the language models offered, their entries in the catalog, and what is on Ollama."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final, TextIO, cast

import orjson
from django.core.management.base import BaseCommand
from django.db import DatabaseError
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from eloquent.foundation.config import get_config
from eloquent.foundation.price_lists import price_list
from eloquent.management.commands.ask import INTERRUPTED, NOTHING_CONFIGURED, close_connections, discreet_log
from inference.catalog import models_offered, providers_unreachable
from inference.errors import InferenceError, ModelMissing
from inference.offers import OfferedModel
from inference.providers.configured import configured_providers
from inference.providers.ollama_shelf import Shelf, said_by_the_server
from inference.seeding import seed_entries, seed_prices

NO_OLLAMA: Final = "This is for models on Ollama, and OLLAMA_HOST is not set."


class Command(BaseCommand):
    """Exit code 1 with a sentence when there is no model, or when something could not be done."""

    help = "List the language models offered; begin their catalog; show, bring, warm, unload or remove one on Ollama."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do, and with which model."""
        acts = parser.add_subparsers(dest="act", metavar="list|seed|show|pull|warm|unload|remove")
        acts.add_parser("list", help="the models offered and which servers answer (also without a word)")
        acts.add_parser("seed", help="an entry in the catalog for each model without one; prices from MODEL_PRICES")
        for name, what in (
            ("show", "what the server knows of a model, as JSON"),
            ("pull", "bring a model, on every server of OLLAMA_HOST"),
            ("warm", "load a model, so that the next question need not wait"),
            ("unload", "take a model out of memory"),
            ("remove", "delete a model from the disk"),
        ):
            act = acts.add_parser(name, help=what)
            act.add_argument("model", help="its name on the server, such as llama3.2")
            act.add_argument("--host", help="one server of OLLAMA_HOST; all of them without")
            if name == "warm":
                act.add_argument("--keep-alive", help="how long it stays loaded: 10m, 3600 (seconds), -1 (for ever)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Without a word it lists. Ctrl+C ends it in one line, with the status of an interrupt."""
        del args
        act = options["act"] or "list"
        try:
            with discreet_log(verbosity=options["verbosity"]):
                if act == "list":
                    self._list()
                elif act == "seed":
                    self._seed()
                else:
                    self._at_the_servers(act, options)
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
            sys.exit(INTERRUPTED)

    def _list(self) -> None:
        if not configured_providers():
            self.stderr.write(NOTHING_CONFIGURED)
            sys.exit(1)
        models, unreachable = asyncio.run(_listed())
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("model", "provider", "window", "default", "reachable"):
            table.add_column(column, overflow="fold")
        for model in models:
            table.add_row(model.id, model.provider, str(model.context_window), "yes" if model.default else "", "yes")
        for provider, error in unreachable.items():
            table.add_row("", provider, "", "", f"no: {error.detail}")
        self._console().print(table)
        self._say_what_is_missing(models)
        if not models:
            sys.exit(1)

    def _seed(self) -> None:
        """Servers that do not answer keep nobody else's models out; their own come with the next time."""
        config = get_config()
        prices = price_list(config.model_prices)
        models, unreachable = asyncio.run(_listed())
        try:
            told = seed_entries(models)
            priced, unknown = seed_prices(prices, currency=config.usage_currency)
        except (DatabaseError, PyMongoError) as error:
            self.stderr.write(f"The catalog cannot be written: the database does not answer ({type(error).__name__}).")
            sys.exit(1)
        for line in [*told, *priced] or ["Nothing to do: every model listed has an entry, and each that can a price."]:
            self.stdout.write(line)
        for model_id in unknown:
            self.stderr.write(f"MODEL_PRICES names {model_id}, which no server lists and no entry has.")
        for provider, silence in unreachable.items():
            self.stderr.write(f"{provider}: {silence.detail}")
        if not configured_providers():
            self.stderr.write(NOTHING_CONFIGURED)
        if unreachable or not models:
            sys.exit(1)

    def _at_the_servers(self, act: str, options: dict[str, Any]) -> None:
        hosts = get_config().ollama_host
        if not hosts:
            self.stderr.write(NO_OLLAMA)
            sys.exit(1)
        if options["host"] and options["host"].rstrip("/") not in [host.rstrip("/") for host in hosts]:
            self.stderr.write(f"{options['host']} is not among OLLAMA_HOST: {', '.join(hosts)}.")
            sys.exit(1)
        chosen = [options["host"]] if options["host"] else hosts
        acts: dict[str, Callable[[Shelf, dict[str, Any]], Coroutine[Any, Any, str]]] = {
            "show": self._show,
            "pull": self._pull,
            "warm": self._warm,
            "unload": self._unload,
            "remove": self._remove,
        }
        failed = False
        for host in chosen:
            where = f"{host}: " if len(chosen) > 1 else ""
            try:
                said = asyncio.run(_and_close(acts[act](Shelf(host), options)))
            except InferenceError as error:
                failed = True
                self.stderr.write(f"{where}{said_by_the_server(error)}")
            else:
                self.stdout.write(f"{where}{said}" if act != "show" else said)
        if failed:
            sys.exit(1)

    async def _show(self, shelf: Shelf, options: dict[str, Any]) -> str:
        return orjson.dumps(await shelf.describe(options["model"]), option=orjson.OPT_INDENT_2).decode()

    async def _pull(self, shelf: Shelf, options: dict[str, Any]) -> str:
        name = options["model"]
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        shown: dict[str, TaskID] = {}
        with Progress(*columns, console=self._console(), disable=not sys.stdout.isatty()) as progress:
            async with aclosing(shelf.pull(name)) as steps:
                async for step in steps:
                    if step.total_bytes:
                        if step.status not in shown:
                            shown[step.status] = progress.add_task(step.status, total=step.total_bytes)
                        progress.update(shown[step.status], completed=step.completed_bytes)
        return f"{name} is there."

    async def _warm(self, shelf: Shelf, options: dict[str, Any]) -> str:
        name, keep_alive = options["model"], options["keep_alive"]
        offered = {model.name: model for model in await models_offered() if model.provider == "ollama"}
        model = offered.get(name) or offered.get(f"{name}:latest")
        if model is None:
            raise ModelMissing(name)
        seconds = int(keep_alive) if keep_alive and keep_alive.lstrip("-").isdigit() else keep_alive
        await shelf.warm(model.name, window=model.context_window, keep_alive=seconds)
        return f"{model.name} is loaded with a window of {model.context_window} tokens."

    async def _unload(self, shelf: Shelf, options: dict[str, Any]) -> str:
        await shelf.unload(options["model"])
        return f"{options['model']} is not in memory any more."

    async def _remove(self, shelf: Shelf, options: dict[str, Any]) -> str:
        await shelf.remove(options["model"])
        return f"{options['model']} is removed."

    def _console(self) -> Console:
        console = Console(file=cast(TextIO, self.stdout))
        if not sys.stdout.isatty():
            console.width = 400  # a pipe has no width: nothing is folded for grep
        return console

    def _say_what_is_missing(self, models: list[OfferedModel]) -> None:
        wanted = get_config().ollama_model
        names = {name for model in models for name in (model.name, model.name.removesuffix(":latest"))}
        if wanted and wanted.removesuffix(":latest") not in names:
            self.stderr.write(
                f"OLLAMA_MODEL is {wanted}, which is not on the server: `manage.py models pull {wanted}` brings it."
            )


async def _listed() -> tuple[list[OfferedModel], dict[str, InferenceError]]:
    try:
        return await models_offered(), providers_unreachable()
    finally:
        await close_connections()


async def _and_close(doing: Awaitable[str]) -> str:
    try:
        return await doing
    finally:
        await close_connections()
