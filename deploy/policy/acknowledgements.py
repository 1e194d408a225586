"""Findings that we know of and let stand, each with its reason.

What is acknowledged stands in `acknowledged.md`, too, construct by construct, for whoever reviews it: a test compares
with what is really found, so that neither a new finding hides behind an old reason, nor a reason outlives its finding.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import aws_cdk as cdk

from deploy import naming
from deploy.factory import Platform


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One rule's findings in constructs whose path, from the stack's short name on, is like `where`."""

    rule: str
    where: str
    reason: str

    def means(self, construct: str) -> bool:
        """Whether this construct is one of them."""
        return fnmatchcase(construct, self.where)


ACKNOWLEDGED: Final = (
    Acknowledged(
        "AwsSolutions-SMG4",
        "data/secret-*",
        "An owner puts in another value when it is due (deploy/runbook.md): what made the value is not in AWS. Earlier "
        "keys stay good for as long as what they signed lives.",
    ),
    Acknowledged(
        "AwsSolutions-SMG4",
        "data/cache-password*",
        "Rotated by an owner together with REDIS_URL: both stand in one stack, and ElastiCache takes the old one for a "
        "while beside the new.",
    ),
    Acknowledged(
        "AwsSolutions-AEC4",
        "data/cache",
        "One node is enough for development: what is lost with it is the answers that are being written.",
    ),
)


def acknowledge(platform: Platform) -> None:
    """Say of each known finding why it stands."""
    prefix = naming.stack_name(platform.environment, "")
    constructs = [construct for stack in platform.stacks for construct in stack.node.find_all()]
    for construct in constructs:
        path = construct.node.path.removeprefix(prefix)
        for known in ACKNOWLEDGED:
            if known.means(path):
                acknowledged = cdk.Acknowledgment(id=known.rule, reason=known.reason)
                cdk.Validations.of(construct).acknowledge(acknowledged)
