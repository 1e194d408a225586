"""`manage.py import_conversations --email you@example.org conversations.json`: conversations from elsewhere."""

import asyncio
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from accounts.emails import EmailError, normalise_email
from accounts.store import user_by_email
from chat.imports.importing import Result, import_conversations
from eloquent.foundation.database import close_database

_PIECE: Final = 1024 * 1024
_MOST_SENTENCES: Final = 50


class Command(BaseCommand):
    """Reads a ChatGPT export or our own. May be repeated: what is there already is passed over."""

    help = "Import a ChatGPT export's conversations.json, or conversations that were exported here, for one user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose they become, and where they are."""
        parser.add_argument("file", type=_file, help="conversations.json, or a file of GET /conversations/{id}/export")
        parser.add_argument("--email", required=True, help="the user whose conversations they become")

    def handle(self, *_args: Any, file: Path, email: str, **_options: Any) -> None:
        """Import them, and say what became of them."""
        try:
            email = normalise_email(email)
        except EmailError as error:
            raise CommandError(str(error)) from None
        counts = asyncio.run(self._import(file, email, at=datetime.fromtimestamp(int(file.stat().st_mtime), UTC)))
        added, known, refused = (counts[result] for result in (Result.ADDED, Result.KNOWN, Result.REFUSED))
        self.stdout.write(f"Added {added} conversations; {known} were there already, {refused} could not be read.")

    async def _import(self, file: Path, email: str, *, at: datetime) -> Counter[Result]:
        counts: Counter[Result] = Counter()
        try:
            user = await user_by_email(email)
            if user is None:
                raise CommandError(f"There is no user {email}.")
            async with aclosing(import_conversations(user.id, _pieces(file), at=at)) as outcomes:
                async for number, result, sentence in outcomes:
                    counts[result] += 1
                    if sentence and counts[result] <= _MOST_SENTENCES:
                        self.stderr.write(f"Conversation {number}: {sentence}")
        finally:
            await close_database()
        return counts


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {text}")
    return path


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
