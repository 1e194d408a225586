"""`python -m deploy.running --env prod`: the release that serves, by its image's tag; nothing before the first one.

For a workflow that asks whether what it brings is newer, and afterwards whether it really serves.
"""

import sys
from collections.abc import Sequence

from deploy.commands.account import Account, arguments, carry_out
from deploy.commands.definitions import tag_of
from deploy.commands.serving import api_service


def tell_running(account: Account) -> None:
    """Say the tag of what serves now. Nothing, and no error, where nothing does yet: a first deployment asks, too."""
    service = api_service(account)
    if service.exists():
        account.say(tag_of(service.running()))


def main(argv: Sequence[str]) -> int:
    """0, whether there is one or not."""
    return carry_out(tell_running, arguments("Say which release serves.").parse_args(argv).env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
