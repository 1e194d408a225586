"""`python -m deploy.migrate --env prod --tag T`: the migrations of a release, before any of its tasks serves.

A task of the release's own image runs once, in the service's network, and this waits for its exit status.
"""

import sys
from collections.abc import Sequence

from deploy import naming
from deploy.commands.account import Account, Refused, arguments, carry_out
from deploy.commands.definitions import definition_of, tag_of
from deploy.commands.one_off import run_once


def migrate(account: Account, tag: str) -> None:
    """Run them.

    Raises:
        Refused: they did not end well, or the stack that brings the task has another release. The service was not
            touched.
    """
    newest = definition_of(account.client("ecs"), naming.service_name(account.environment, "migration"))
    if (there := tag_of(newest)) != tag:
        stack = naming.stack_name(account.environment, "migration")
        raise Refused(f"The migrations are those of {there}: deploy the stack {stack} with IMAGE_TAG={tag} first.")
    run_once(account, newest)


def main(argv: Sequence[str]) -> int:
    """0 when all is applied."""
    parser = arguments("Apply the migrations of a release.")
    parser.add_argument("--tag", required=True, help="of the image; it must be in the registry")
    asked = parser.parse_args(argv)
    return carry_out(lambda account: migrate(account, asked.tag), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
