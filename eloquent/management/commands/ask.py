"""`manage.py ask "question"`: an answer in the terminal, by the same way as every other answer."""

import asyncio
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from django.core.management.base import BaseCommand

from eloquent.foundation.database import close_database
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.http import close_http_client
from inference.catalog import close_catalog, configured_providers, model_named
from inference.errors import NoModelAvailable
from inference.router import answer
from inference.types import Finished, FinishReason, PromptMessage, PromptRequest, Status, TextDelta

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
    await close_catalog()
    await close_http_client()
    await close_database()


class Command(BaseCommand):
    """Streams one answer; works without the database, by what servers list alone.

    Exit code 1 with a sentence on stderr when there is no answer.
    """

    help = "Ask a language model one question and print its answer as it comes. Ctrl-C stops the model."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The question's words, and which model."""
        parser.add_argument("question", nargs="+", help="the question; - reads it from standard input")
        parser.add_argument("--model", help="a model's id, as `manage.py models` lists it; the default one without")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the answer on stdout; everything else goes to stderr."""
        del args
        question = " ".join(options["question"])
        if question == "-":
            question = sys.stdin.read()
        try:
            with discreet_log(verbosity=options["verbosity"]):
                asyncio.run(self._ask(question, options["model"]))
        except EloquentError as error:
            nothing = isinstance(error, NoModelAvailable) and not configured_providers()
            self.stderr.write(NOTHING_CONFIGURED if nothing else error.detail)
            sys.exit(1)
        except KeyboardInterrupt:
            # By now the answer is closed and the model has stopped.
            self.stderr.write("Stopped.")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # `| head` has enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    async def _ask(self, question: str, model_id: str | None) -> None:
        began = False
        try:
            model = await model_named(model_id)
            request = PromptRequest(model.name, (PromptMessage("user", question),))
            async with aclosing(answer(model, request, restarts=False)) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text):
                            began = True
                            self.stdout.write(text, ending="")
                            self.stdout.flush()
                        case Status(state=state, elapsed_s=elapsed_s):
                            self.stderr.write(f"{model.name} is {state} ({elapsed_s:.0f} s)")
                        case Finished(reason=FinishReason.LENGTH):
                            self.stderr.write("\nThe answer was longer than its limit and ends here.")
        finally:
            if began:
                self.stdout.write("")
            await close_connections()
