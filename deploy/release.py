"""`python -m deploy.release --env prod`: has CodeDeploy lead people to what `cdk deploy` has brought.

CloudFormation cannot change a service whose tasks CodeDeploy replaces: it makes the new definition, and this deploys
it. Elsewhere the stack has done all of it, and nothing is left to do.
"""

import sys
from collections.abc import Sequence

from deploy import naming
from deploy.commands.account import Account, arguments, carry_out
from deploy.commands.definitions import definition_of, tag_of
from deploy.commands.serving import api_service
from deploy.environment import Release


def release(account: Account) -> None:
    """Deploy the newest definition, unless it has been.

    What the service was made with, too: CodeDeploy goes back only to what it has deployed itself.

    Raises:
        Refused: there is no service yet, or CodeDeploy took it back.
    """
    environment, service = account.environment, api_service(account)
    if environment.release is not Release.CODEDEPLOY:
        account.say(f"{environment.name}: the stack itself brings a release. Nothing is left to do.")
        return
    newest = definition_of(account.client("ecs"), naming.service_name(environment))["taskDefinitionArn"]
    running = service.running()
    if running["taskDefinitionArn"] == newest and any(service.ran_well()):
        account.say(f"{environment.name}: {tag_of(running)} serves already.")
        return
    service.change(f"To {newest.rpartition('/')[2]}", definition=newest)


def main(argv: Sequence[str]) -> int:
    """0 when it serves."""
    return carry_out(release, arguments("Deploy what `cdk deploy` has brought.").parse_args(argv).env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
