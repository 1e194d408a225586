"""`python -m deploy.rollback --env prod [--to TAG]`: the service goes back to a version that ran well.

ECS itself takes a version back that does not come up or raises an alarm. This is for one that came up and is wrong.
The database stays as it is: migrations only add, so the version before works with what the newer one has added
(docs/decisions/0054). Infrastructure stays, too; for that, deploy the commit before.
"""

import sys
from collections.abc import Sequence
from typing import Any

from deploy import naming
from deploy.commands.account import Account, Agree, Refused, agree_at_the_keyboard, agreed, arguments, carry_out
from deploy.commands.definitions import active, tag_of
from deploy.commands.service import Service
from deploy.commands.serving import api_service
from deploy.environments import ENVIRONMENTS


def roll_back(account: Account, agree: Agree, *, to: str = "") -> None:
    """Back to `to`, or to the version that ran well before the one that runs.

    Raises:
        Refused: nothing to go back to, the operator did not agree, or ECS ended it otherwise.
    """
    service = api_service(account)
    running = service.running()
    target, tag = _target(service, running, to)
    _check_image(account, tag)
    if not agree(f"{account.environment.name}: from {tag_of(running)} to {tag}. The database stays as it is."):
        raise Refused("Nothing was changed.")
    definition = active(account.client("ecs"), target, tag=tag)
    service.change(f"Back to {tag}", definition=definition["taskDefinitionArn"])


def _target(service: Service, running: dict[str, Any], to: str) -> tuple[dict[str, Any], str]:
    """A definition to go back to, and the release it is to run."""
    if to == tag_of(running):
        raise Refused(f"{to} runs already.")
    ran_well = [(tag_of(definition), definition) for definition in service.ran_well()]
    wanted = to or _before(tag_of(running), [tag for tag, _ in reversed(ran_well)])
    for tag, definition in ran_well:
        if tag == wanted:
            return definition, tag
    # Its own definition is forgotten: what runs, with that image.
    return running, wanted


def _before(running: str, history: list[str]) -> str:
    """The version before the one that runs, without those that were taken back since: of A, B, A it is none.

    Args:
        running: the tag that runs.
        history: every tag that ran well, oldest first, as often as it did.

    Raises:
        Refused: there is none.
    """
    line: list[str] = []
    for tag in [*history, running]:
        # What comes again takes back all that has come since.
        line = [*line[: line.index(tag)], tag] if tag in line else [*line, tag]
    if len(line) == 1:
        raise Refused(f"No version before {running} has run well within ninety days: name one with --to.")
    return line[-2]


def _check_image(account: Account, tag: str) -> None:
    ecr = account.client("ecr")
    try:
        ecr.describe_images(repositoryName=naming.API_REPOSITORY, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        raise Refused(f"{tag} is not in the registry any more.") from None


def main(argv: Sequence[str]) -> int:
    """0 when the service is steady with the other version."""
    parser = arguments("Go back to a version that ran well. Shows what it would do, and asks.")
    parser.add_argument("--to", default="", metavar="TAG", help="which (the one that ran well before)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    asked = parser.parse_args(argv)
    agree = agreed if asked.yes else agree_at_the_keyboard(ENVIRONMENTS[asked.env])
    return carry_out(lambda account: roll_back(account, agree, to=asked.to), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
