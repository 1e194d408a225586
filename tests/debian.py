"""Debian's packages that some groups of tests need: installed where we may.

`python -m tests.debian nginx nginx-light` installs the package unless there is the program.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# Servers lie beside the PATH of who is not root.
_PLACES = ("/usr/sbin", "/usr/local/sbin")


def program(name: str) -> Path | None:
    """Where it is, if it is there."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))
    return Path(found) if found else None


def install(packages: Mapping[str, str], *, recommended: bool = False) -> list[str]:
    """Install the packages of the programs that are missing, where we may; which packages are missing still.

    Args:
        packages: program → package.
        recommended: with what Debian recommends beside them.
    """
    missing = [package for name, package in packages.items() if program(name) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing Debian's {', '.join(missing)}.", flush=True)
        # A server among them is not started: that is for the tests to do.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        alone = [] if recommended else ["--no-install-recommends"]
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *alone, *missing]):
            if subprocess.run(command, env=environment, check=False).returncode:
                break
    return [package for name, package in packages.items() if program(name) is None]


if __name__ == "__main__":
    wanted_program, package = sys.argv[1:]
    sys.exit(f"apt-get install {package}" if install({wanted_program: package}) else 0)
