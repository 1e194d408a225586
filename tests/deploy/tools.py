"""The programs of `deploy/tools.txt`, which have an environment of their own."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv-deploy" / "bin"


def tool(name: str) -> Path:
    """The program; the test fails where it is not installed, and says what installs it."""
    if not (program := BIN / name).exists():
        pytest.fail(f"{program} is not there: `make test-deploy` installs deploy/tools.txt.")
    return program


def system_program(name: str, package: str) -> str:
    """A program of the machine's own; the test fails where it is missing, and says what installs it."""
    if not (program := shutil.which(name)):
        pytest.fail(f"{name} is not there: apt-get install {package}")
    return program
