"""`python -m deploy.migrate --env prod --tag T`: the migrations of a release, before any of its tasks serves.

A task of the release's own image runs once, in the service's network, and this waits for its exit status.
"""

import sys
from collections.abc import Sequence

from deploy import naming
from deploy.commands.account import Account, arguments, carry_out
from deploy.commands.definitions import copy_of, definition_of, tag_of
from deploy.commands.one_off import run_once


def migrate(account: Account, tag: str) -> None:
    """Run them.

    The service's stack brings its own definition for the release, but only together with the service; so the one of the
    release before is copied with the new image, and the copy is set aside afterwards.

    Raises:
        Refused: they did not end well. The service was not touched.
    """
    ecs = account.client("ecs")
    newest = definition_of(ecs, naming.service_name(account.environment, "migration"))
    if tag_of(newest) == tag:
        run_once(account, newest)
        return
    made = copy_of(ecs, newest, tag=tag)
    try:
        run_once(account, definition_of(ecs, made))
    finally:
        # The family's newest is again the one that CloudFormation knows.
        ecs.deregister_task_definition(taskDefinition=made)


def main(argv: Sequence[str]) -> int:
    """0 when all is applied."""
    parser = arguments("Apply the migrations of a release.")
    parser.add_argument("--tag", required=True, help="of the image; it must be in the registry")
    asked = parser.parse_args(argv)
    return carry_out(lambda account: migrate(account, asked.tag), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
