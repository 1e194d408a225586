"""A locked requirements file: each package with its version, its hashes, and who wants it. Standard library alone."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PINNED: Final = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package. `wanted_by` names other packages, or the file that asks for it (`-r requirements.in`)."""

    name: str
    version: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]
    text: str
    """Its lines, as pip reads them."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def locked(path: Path) -> list[Locked]:
    """The file's packages, in its order.

    Raises:
        ValueError: a line is neither a pinned package nor a comment.
    """
    packages = []
    for entry in re.split(r"(?m)^(?=[^\s#])", path.read_text()):
        lines = [line for line in entry.splitlines() if not line.lstrip().startswith("#")]
        text = "\n".join(lines).strip()
        if not text:
            continue
        pinned = _PINNED.match(text)
        if pinned is None:
            raise ValueError(f"{path}: “{text.splitlines()[0]}” is not pinned")
        via = re.findall(r"^\s*#\s+(?:via\s+)?(\S.*)$", entry, re.MULTILINE)
        wanted_by = tuple(who for who in via if who != "via")
        packages.append(Locked(pinned[1], pinned[2], tuple(_HASH.findall(text)), wanted_by, text))
    return packages
