"""`make audit`: known holes in every locked package, by pip-audit. A database that cannot be asked is no all-clear.

`python -m tests.audit [-s osv]`; ends with 0 when nothing is known, 1 with holes, 2 when something could not be asked.
"""

import json
import subprocess
import sys
from typing import Any

from eloquent.embedded.programs import PROJECT

FILES = ("requirements.txt", "requirements-dev.txt", "requirements-embedded.txt")
HOLES, NOT_ASKED = 1, 2


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit status and what to say of pip-audit's JSON report."""
    holes, unasked = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unasked.append(package["name"])
        for hole in package.get("vulns", ()):
            mended = ", ".join(hole["fix_versions"]) or "no version yet"
            holes.append(f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}")
    if holes:
        return HOLES, holes
    if unasked or not report["dependencies"]:
        many = f"{len(unasked)} of {len(report['dependencies'])} packages"
        return NOT_ASKED, [f"NOT AUDITED: the database knows nothing of {many}, or cannot be reached from here."]
    return 0, [f"No known holes in {len(report['dependencies'])} packages."]


def audited(file: str, *options: str) -> tuple[int, list[str]]:
    """The verdict on one locked file."""
    command = [sys.executable, "-m", "pip_audit", "-r", file, "--disable-pip", "--require-hashes", "-f", "json"]
    ran = subprocess.run(
        [*command, "--progress-spinner", "off", *options], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    try:
        report = json.loads(ran.stdout)
    except json.JSONDecodeError:
        why = (ran.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return NOT_ASKED, [f"NOT AUDITED: no database of advisories can be asked from here ({why[:200]})."]
    return verdict(report)


def main() -> int:
    """Audit every file."""
    worst = 0
    for file in FILES:
        status, lines = audited(file, *sys.argv[1:])
        print(*(f"{file}: {line}" for line in lines), sep="\n", flush=True)
        worst = HOLES if HOLES in (status, worst) else max(status, worst)
    return worst


if __name__ == "__main__":
    sys.exit(main())
