"""`manage.py sbom`: what is inside, as a CycloneDX document. The same for the same locked files, whoever makes it."""

import json
import re
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand

from eloquent.embedded.requirements import Locked, locked

FILES: Final = {
    "requirements.txt": "what the server runs on",
    "requirements-embedded.txt": "servers for a developer's machine; not deployed",
}
NAME: Final = "eloquent-ai"


def purl(package: Locked) -> str:
    """The package's address in the vocabulary of SBOMs, with its name as PyPI normalizes it."""
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', package.name).lower()}@{package.version}"


def bill_of_materials(files: dict[str, list[Locked]]) -> dict[str, Any]:
    """The document: each package once, with the file that locks it and what wants it."""
    packages = {package.name: (package, file) for file, found in files.items() for package in found}
    wants: dict[str, list[str]] = {name: [] for name in (NAME, *packages)}
    for name, (package, _) in packages.items():
        for who in package.wanted_by:
            wants[who if who in packages else NAME].append(name)
        if not package.wanted_by:
            wants[NAME].append(name)
    references = {NAME: NAME, **{name: purl(package) for name, (package, _) in packages.items()}}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": NAME, "name": NAME}},
        "components": [_component(*packages[name]) for name in sorted(packages)],
        "dependencies": [
            {"ref": references[name], "dependsOn": sorted({references[wanted] for wanted in wants[name]})}
            for name in sorted(wants)
        ],
    }


def _component(package: Locked, file: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "scope": "required" if file == "requirements.txt" else "optional",
        "purl": purl(package),
        # Which holds the hashes of its files.
        "properties": [{"name": "eloquent:locked-in", "value": file}],
    }


class Command(BaseCommand):
    """Installs and asks for nothing: the locked files say all of it."""

    help = "Print what is inside as a CycloneDX document: every locked package and who wants it."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Read the locked files and print."""
        root: Path = settings.BASE_DIR
        document = bill_of_materials({name: locked(root / name) for name in FILES})
        self.stdout.write(json.dumps(document, indent=1, ensure_ascii=False))
