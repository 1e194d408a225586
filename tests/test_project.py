"""What holds for the project as a whole: import arrows, settings fit for production, migrations, words, documents."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from tests.strict import strict_settings

ROOT = Path(__file__).resolve().parent.parent

# Each room, and the rooms it may import from. The roof stands above all of them.
GROUND = {"eloquent.foundation", "eloquent.mongodb"}
MAY_IMPORT = {
    "eloquent.foundation": {"eloquent.foundation"},
    "eloquent.mongodb": {"eloquent.mongodb"},
    "eloquent.embedded": {"eloquent.embedded", "eloquent.foundation"},
    "eloquent.serving": {"eloquent.serving", "eloquent.foundation"},
    "accounts": GROUND | {"accounts"},
    "inference": GROUND | {"inference"},
    "chat": GROUND | {"chat", "accounts", "inference"},
}
# The admin's screens share the roof's look.
DESK = {"accounts/admin.py", "chat/admin.py", "inference/admin.py"}
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}
LONGEST_MODULE = 350


def tracked(*patterns: str) -> list[Path]:
    """The project's own files, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def collections() -> set[str]:
    """The collections of our own models."""
    return {model._meta.db_table for model in apps.get_models() if model.__module__.partition(".")[0] in MAY_IMPORT}


def modules() -> list[Path]:
    """The Python files that are served, without tests and migrations."""
    return [path for path in tracked("*.py") if not {"tests", "migrations", "mongo_migrations"} & set(path.parts)]


def imports_of(path: Path) -> Iterator[str]:
    """The full names of what a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str | None:
    """The room that a module belongs to (`eloquent` is the roof); None for a library."""
    first, _, rest = name.partition(".")
    room = f"eloquent.{rest.partition('.')[0]}" if first == "eloquent" else first
    if room in MAY_IMPORT:
        return room
    return "eloquent" if rest and first == "eloquent" else None


def test_imports_point_down() -> None:
    upward = []
    for path in modules():
        place = path.relative_to(ROOT)
        here = room_of(".".join(place.with_suffix("").parts))
        if here in MAY_IMPORT and str(place) not in DESK:
            rooms = {room_of(name) for name in imports_of(path)} - {None}
            upward += [(str(place), there) for there in rooms - MAY_IMPORT[here]]
    assert upward == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [path.name for path in modules() if path.name in FORBIDDEN_NAMES] == []
    assert {
        str(path): lines for path in modules() if (lines := len(path.read_text().splitlines())) > LONGEST_MODULE
    } == {}


def test_an_apps_init_is_empty() -> None:
    assert [app for app in ("accounts", "chat", "inference") if (ROOT / app / "__init__.py").read_text()] == []


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_djangos_deploy_checks_are_clean_in_production(environment: str, tmp_path: Path) -> None:
    settings = strict_settings(tmp_path, ELOQUENT_ENV=environment)
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING", "--database", "default"]
    checked = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "no issues" in checked.stdout


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "accounts", "chat", "admin", "auth", "contenttypes", check=True, dry_run=True)


@pytest.mark.parametrize(
    "word", [r"(^|[\s\"'(`])/(work|farm)/", r"/tmp/[a-z]", r"TODO|FIXME|XXX\b", r"not implemented yet"]
)
def test_no_file_speaks_of_the_machine_or_of_work_left(word: str) -> None:
    pattern = re.compile(word)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked()
        if path.suffix not in {".png", ".ico", ".gguf"} and path != Path(__file__)
        for line in path.read_text(errors="replace").splitlines()
        if pattern.search(line)
    ]
    assert found == []


def test_ci_runs_every_group_of_tests_of_the_product() -> None:
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert {"make test", "make check", "make test-browser", "make test-clients", "make test-deploy"} <= set(ci)


@pytest.mark.parametrize(
    "target",
    [
        "run",
        "test",
        "test-browser",
        "test-clients",
        "test-bench",
        "check",
        "bench",
        "soak",
        "fuzz",
        "clean",
        "help",
        "format",
        "lock",
        "openapi",
        "sbom",
        "audit",
    ],
)
def test_every_target_of_make_is_one_that_help_lists(target: str) -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"make {target}\s", listed)
    subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True)


def test_every_collection_is_told_of() -> None:
    data = (ROOT / "ARCHITECTURE.md").read_text().partition("\n## Data\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in data.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall("`(.+?)`", row)}
    assert len(told) > 20
    assert collections() - told == set()
