"""`python -m deploy.place --env prod`: where an environment is and who delivers there, for a workflow to read.

So that a workflow names an environment, and everything else stands in `environments.py` alone. No package is needed.
"""

import sys
from collections.abc import Sequence

from deploy import naming
from deploy.commands.account import arguments, say_on_screen
from deploy.environment import Environment
from deploy.environments import ENVIRONMENTS


def place_of(environment: Environment) -> dict[str, str]:
    """Name of an output → its value."""
    role = f"arn:aws:iam::{environment.account}:role/"
    return {
        "address": environment.origin,
        "deploy-role": role + naming.service_name(environment, "deploy"),
        "image": naming.image_of(environment, naming.API_REPOSITORY, "").removesuffix(":"),
        "push-role": role + naming.service_name(environment, "push"),
        "region": environment.region,
        "registry": naming.image_of(environment, naming.API_REPOSITORY, "").partition("/")[0],
        "repository": naming.API_REPOSITORY,
    }


def main(argv: Sequence[str]) -> int:
    """Always 0."""
    parser = arguments("Say where an environment is.")
    for name, value in place_of(ENVIRONMENTS[parser.parse_args(argv).env]).items():
        say_on_screen(f"{name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
