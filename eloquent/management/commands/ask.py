"""`manage.py ask "question"`: an answer in the terminal, by the same way as every other answer."""

import asyncio
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from django.core.management.base import BaseCommand

from eloquent.foundation.database import close_database
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.http import close_http_client
from eloquent.foundation.redis import close_redis
from eloquent.management.asking import Asking, TooManySteps, usage_shown
from eloquent.management.generation import add_generation_arguments, generation_options, prompt
from inference.admission.queues import close_queues
from inference.catalog import close_catalog, model_named
from inference.errors import NoModelAvailable
from inference.providers.configured import configured_providers
from inference.tools.toolbox import close_tools
from inference.types import PromptRequest

NOTHING_CONFIGURED = (
    "No language model is configured. Set OLLAMA_HOST (such as http://127.0.0.1:11434), LLAMACPP_HOST,"
    " OPENAI_COMPATIBLE_URL or BEDROCK_MODEL_ID."
)
INTERRUPTED = 130
"""What a shell expects of a program that was stopped with Ctrl-C: 128 and the signal's number."""


@contextmanager
def discreet_log(*, verbosity: int) -> Iterator[None]:
    """Keep what the servers said to the log out of the terminal: the sentence is enough, unless -v 2 asks for more."""
    log = logging.getLogger("inference")
    before = log.level
    log.setLevel(logging.WARNING if verbosity > 1 else logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


async def close_connections() -> None:
    """Close whatever a command opened to ask a language model."""
    await close_tools()
    await close_queues()
    await close_catalog()
    await close_http_client()
    await close_redis()
    await close_database()


class Command(BaseCommand):
    """Streams one answer; works without the database, by what servers list alone.

    Exit code 1 with a sentence on stderr when there is no answer.
    """

    help = "Ask a language model one question and print its answer as it comes. Ctrl-C stops the model."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The question's words, which model, and how it is to answer."""
        parser.add_argument("question", nargs="+", help="the question; - reads it from standard input")
        parser.add_argument("--model", help="a model's id, as `manage.py models` lists it; the default one without")
        add_generation_arguments(parser)
        parser.add_argument("--tools", action="store_true", help="let the model call tools; the calls go to stderr")
        parser.add_argument("--usage", action="store_true", help="say at the end, on stderr, what it took")
        parser.add_argument("--no-fallback", action="store_true", help="this model alone, whatever stands in for it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the answer on stdout; everything else goes to stderr."""
        del args
        question = " ".join(options["question"])
        if question == "-":
            question = sys.stdin.read()
        try:
            with discreet_log(verbosity=options["verbosity"]):
                asyncio.run(self._ask(question, options))
        except EloquentError as error:
            nothing = isinstance(error, NoModelAvailable) and not configured_providers()
            self.stderr.write(NOTHING_CONFIGURED if nothing else error.detail)
            sys.exit(1)
        except TooManySteps as error:
            self.stderr.write(str(error))
            sys.exit(1)
        except KeyboardInterrupt:
            # By now the answer is closed and the model has stopped.
            self.stderr.write("Stopped.")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # `| head` has enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    def answer(self, text: str) -> None:
        """Print a piece of the answer at once."""
        self._began = True
        self.stdout.write(text, ending="")
        self.stdout.flush()

    def remark(self, text: str, ending: str = "\n") -> None:
        """Say something about it where it is not in the answer's way."""
        self.stderr.write(text, ending=ending)

    async def _ask(self, question: str, options: dict[str, Any]) -> None:
        self._began = False
        asking: Asking | None = None
        try:
            model = await model_named(options["model"])
            if options["no_fallback"]:
                model = msgspec.structs.replace(model, fallbacks=())
            request = PromptRequest(model.name, prompt(question, options), generation_options(options))
            asking = Asking(model, self, shows_thoughts=bool(options["thinking"]))
            await asking.ask(request, with_tools=options["tools"])
        finally:
            if self._began:
                self.stdout.write("")
            if asking is not None and options["usage"]:
                self.remark(usage_shown(asking.tally))
            await close_connections()
