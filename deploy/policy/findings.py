"""What all rules find in all environments, acknowledged or not, as the table that people review.

.venv-deploy/bin/python -m deploy.policy.findings > deploy/policy/acknowledged.md
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from deploy import naming
from deploy.environments import ENVIRONMENTS
from deploy.factory import build
from deploy.policy.acknowledgements import ACKNOWLEDGED, Acknowledged, without_names
from deploy.policy.guard import add_rules

REVIEWED: Final = Path(__file__).parent / "acknowledged.md"
_HEAD: Final = """\
# Findings that are let stand

What the rules find in the templates (AWS's list, CloudFormation's own rules, ours), and why it stays. Written by
`.venv-deploy/bin/python -m deploy.policy.findings`; a change here is a change of what we put up with.

| rule | construct | environments | reason |
|---|---|---|---|
"""


class Finding(NamedTuple):
    """A rule's finding. The construct's path begins with its stack's short name.

    Where a rule names what it found, the environment's own words stand as `{account}`, `{region}` and `{env}`.
    """

    rule: str
    construct: str

    def is_meant_by(self, known: Acknowledged) -> bool:
        """Whether this is what was acknowledged."""
        return self.rule == known.rule and known.means(self.construct)


def findings(environment: str) -> frozenset[Finding]:
    """Everything that is found in one environment, as if nothing had been acknowledged by us."""
    env = ENVIRONMENTS[environment]
    with tempfile.TemporaryDirectory() as outdir:
        platform = build(env, outdir=outdir)
        add_rules(platform.app, env)
        # It fails with what is found, which the report has.
        with contextlib.suppress(RuntimeError):
            platform.app.synth()
        found = in_report(Path(outdir), naming.stack_name(env, ""))
        return frozenset(Finding(without_names(rule, env), construct) for rule, construct in found)


def in_report(outdir: Path, prefix: str) -> Iterator[Finding]:
    """What stands in the report of templates that were written there; nothing where there is none."""
    file = outdir / "validation-report.json"
    report = json.loads(file.read_text()) if file.exists() else {"pluginReports": []}
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                path = construct.get("constructPath") or construct["cloudFormationResource"]["logicalId"]
                yield Finding(violation["ruleName"], path.removeprefix(prefix))


def reason_for(finding: Finding) -> str:
    """Why it stands, or nothing."""
    return next((known.reason for known in ACKNOWLEDGED if finding.is_meant_by(known)), "")


def table(found: Iterable[tuple[str, Finding]]) -> str:
    """The file that is reviewed: all findings, each with the environments in which it is."""
    environments: dict[Finding, list[str]] = {}
    for environment, finding in found:
        environments.setdefault(finding, []).append(environment)
    rows = (
        f"| {finding.rule} | {finding.construct} | {', '.join(names)} | {reason_for(finding)} |"
        for finding, names in sorted(environments.items())
    )
    return _HEAD + "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(table((name, finding) for name in ENVIRONMENTS for finding in sorted(findings(name))))
