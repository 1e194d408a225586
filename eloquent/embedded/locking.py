"""Locks the packages that carry servers: `python -m eloquent.embedded.locking requirements-embedded.in > …txt`.

pip-compile would lock their dependencies, too, which are not installed. The hashes are those of every file of a
version, for all platforms and Pythons.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+==\S+)\s*(#.*)?")
HEAD: Final = """# Made by `make lock` from requirements-embedded.in, which says what these are."""


def lock(requirements: list[str], repository: Any) -> str:
    """The text of the locked file. `repository` is pip-tools' (`get_hashes`)."""
    from pip._internal.req.constructors import install_req_from_line  # pip is not imported by whoever reads this module

    lines = [HEAD]
    for requirement in requirements:
        with repository.allow_all_wheels():
            hashes = sorted(repository.get_hashes(install_req_from_line(requirement)))
        lines += [" \\\n    ".join([requirement, *(f"--hash={each}" for each in hashes)])]
    return "\n".join(lines)


def pinned(source: Path) -> list[str]:
    """The requirements that the file names."""
    return [match[1] for line in source.read_text().splitlines() if (match := _REQUIREMENT.match(line))]


def main() -> None:
    """Print what the file pins, each with the hashes of all its wheels: the registry is asked for them."""
    from piptools.repositories import PyPIRepository  # a developer's package

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    source: Path = parser.parse_args().source
    with tempfile.TemporaryDirectory() as cache:
        sys.stdout.write(f"{lock(pinned(source), PyPIRepository([], cache_dir=cache))}\n")


if __name__ == "__main__":
    main()
