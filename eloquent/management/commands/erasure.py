"""`manage.py erasure verify FILE`: whether a receipt that somebody shows is one of ours, and unchanged."""

import sys
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.personal_data.receipts import is_genuine


class Command(BaseCommand):
    """Checks the signature of a receipt; exit code 1 when it is not ours."""

    help = "Checks whether the receipt of an erasure is genuine."

    def add_arguments(self, parser: CommandParser) -> None:
        """A receipt, as its owner or a file has it."""
        parser.add_argument("what", choices=["verify"], help="verify: check a receipt's signature")
        parser.add_argument("file", help="the receipt as JSON; - for standard input")

    def handle(self, *_args: Any, file: str, **_options: Any) -> None:
        """Asks no database: a receipt is known by its signature alone, long after the account is gone."""
        try:
            raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            receipt = orjson.loads(raw)
        except (OSError, orjson.JSONDecodeError) as error:
            raise CommandError(f"The receipt cannot be read: {error}") from error
        if not isinstance(receipt, dict) or not is_genuine(receipt):
            raise CommandError("This is not a receipt of ours, or it was changed.")
        self.stdout.write(f"Genuine: erasure {receipt['id']}, complete at {receipt['finished_at']}.")
