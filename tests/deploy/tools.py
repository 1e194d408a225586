"""Programs that the rehearsals need: those of `deploy/requirements.txt`, and Debian's that build images or are in them.

`python -m tests.deploy.tools` sees to it that Debian's are there, before a test run that needs them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

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
    if not (program := shutil.which(name)):
        pytest.fail(f"{name} is not there: apt-get install {package}")
    return program


def install() -> str:
    """Install what is missing where we may; what cannot be found afterwards is told in a sentence, else nothing."""
    missing = [package for program, package in SYSTEM_PACKAGES.items() if not shutil.which(program)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing Debian's {', '.join(missing)}.", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        ):
            if subprocess.run(command, env=environment, check=False).returncode:
                break
        missing = [package for program, package in SYSTEM_PACKAGES.items() if not shutil.which(program)]
    return f"The rehearsals need {', '.join(missing)}: apt-get install." if missing else ""


if __name__ == "__main__":
    sys.exit(install() or 0)
