"""Programs that the rehearsals need: those of `deploy/requirements.txt`, and Debian's that build images or are in them.

`python -m tests.deploy.tools` sees to it that Debian's are there, before a test run that needs them.
"""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests import debian

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv-deploy" / "bin"
SYSTEM_PACKAGES: Final = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "stunnel": "stunnel4"}
"""Program → Debian's package."""


def tool(name: str) -> Path:
    """The program; the test fails where it is not installed, and says what installs it."""
    if not (program := BIN / name).exists():
        pytest.fail(f"{program} is not there: `make test-deploy` installs deploy/requirements.txt.")
    return program


def system_program(name: str, package: str) -> str:
    """A program of the machine's own; the test fails where it is missing, and says what installs it."""
    if (program := debian.program(name)) is None:
        pytest.fail(f"{name} is not there: apt-get install {package}")
    return str(program)


def install() -> str:
    """Install what is missing where we may; what cannot be found afterwards is told in a sentence, else nothing."""
    missing = debian.install(SYSTEM_PACKAGES)
    return f"The rehearsals need {', '.join(missing)}: apt-get install." if missing else ""


if __name__ == "__main__":
    sys.exit(install() or 0)
