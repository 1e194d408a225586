"""What a platform must keep to before it is deployed: CloudFormation's own rules, AWS's list of careless things, ours.

`guard` has them asked while templates are written, by the tests and by every `cdk deploy` alike: a finding that nobody
acknowledged ends it. Ours are in `rules/`, one file a concern.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from deploy.environment import Environment
from deploy.factory import Platform
from deploy.policy.acknowledgements import acknowledge

RULES: Final = Path(__file__).parent / "rules"
_PROTECTED_ALONE: Final = "protected.guard"


def guard(platform: Platform) -> None:
    """Have the platform checked when it is written out, with its acknowledgements."""
    add_rules(platform.app, platform.environment)
    acknowledge(platform)


def add_rules(app: cdk.App, env: Environment) -> None:
    """Register all rules that hold for the environment."""
    cdk.Validations.of(app).add_plugins(_templates_rules(env.account, is_protected=env.protected))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))


@lru_cache
def _templates_rules(account: str, *, is_protected: bool) -> cdk.CloudFormationValidatePlugin:
    """CloudFormation's own rules and ours. Made once for a process: it takes seconds to read rules in Rego."""

    def ours(kind: str) -> list[cdk.ValidationRuleSource]:
        return [
            cdk.ValidationRuleSource(name=file.name, content=file.read_text().replace("{{account}}", account))
            for file in sorted(RULES.glob(f"*.{kind}"))
            if is_protected or file.name != _PROTECTED_ALONE
        ]

    return cdk.CloudFormationValidatePlugin(rego_rules=ours("rego"), guard_rules=ours("guard"))
