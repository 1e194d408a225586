"""`python -m deploy.preflight --env prod --tag T`: everything that the first deployment would stumble over, at once.

It changes nothing and reads no secret's value. An order in which all of it comes to be so is in deploy/README.md.
"""

import sys
from collections.abc import Sequence

from botocore.exceptions import ClientError

from deploy.commands.account import Account, Refused, arguments, carry_out
from deploy.commands.readiness import QUESTIONS


def preflight(account: Account, tag: str) -> None:
    """Ask all questions.

    Raises:
        Refused: something is missing; the sentence lists all of it.
    """
    faults: list[str] = []
    for question in QUESTIONS:
        try:
            faults += question(account, tag)
        except ClientError as error:
            # One question that is not allowed is no reason to leave the others unasked.
            code = error.response.get("Error", {}).get("Code", "")
            faults.append(f"{question.__name__}: AWS refused {error.operation_name} ({code})")
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise Refused(f"{account.environment.name} is not ready:\n{listed}")
    account.say(f"{account.environment.name} is ready for {tag}.")


def main(argv: Sequence[str]) -> int:
    """0 when nothing is missing."""
    parser = arguments("Say what an environment lacks before its first deployment.")
    parser.add_argument("--tag", required=True, help="of the API's image")
    asked = parser.parse_args(argv)
    return carry_out(lambda account: preflight(account, asked.tag), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
