"""`manage.py openapi`: the OpenAPI document of the whole interface, as `docs/openapi.json` has it."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from eloquent.api import openapi_document


class Command(BaseCommand):
    """The document as JSON, the same on every machine: it names no server."""

    help = "Print the OpenAPI document. `make openapi` keeps it in docs/openapi.json."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """To standard output, with one line break at its end: as the file in docs/ has it."""
        del args, options
        self.stdout.write(openapi_text(), ending="")


def openapi_text() -> str:
    """The document's text, with a line break at its end."""
    document = openapi_document()
    document.pop("servers", None)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
