"""What every command of the delivery needs: an environment, AWS in it, and a way to ask and to say.

These run with the application's packages, which have boto3: `.venv/bin/python -m deploy.rollback --env prod`.
A sentence that is said or raised here never holds a secret.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from deploy.environment import PLACEHOLDER_ACCOUNT, Environment
from deploy.environments import ENVIRONMENTS

Agree: TypeAlias = Callable[[str], bool]
"""Shows what is about to happen; whether the operator wants it."""

REFUSED: Final = 1


class Refused(Exception):
    """It was not done, or did not go well; the sentence says what is so now."""


class StillUnderWay(Refused):
    """It took longer than anybody waits, and may end well or badly."""


def client_of(service: str, region: str) -> Any:
    """AWS by the credentials that the process has."""
    # Loaded here: who only asks for help, or has no AWS, needs none of it.
    import boto3

    return boto3.client(service, region_name=region)


def say_on_screen(sentence: str) -> None:
    """At once, also into the log of a pipeline."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


class Account:
    """One environment's account."""

    def __init__(
        self,
        environment: Environment,
        *,
        make: Callable[[str, str], Any] = client_of,
        pause: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = say_on_screen,
    ) -> None:
        self.environment = environment
        self.pause = pause
        self.say = say
        self._make = make
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str = "") -> Any:
        """A client of the environment's region, or of another one."""
        key = service, region or self.environment.region
        if key not in self._clients:
            self._clients[key] = self._make(*key)
        return self._clients[key]

    def check(self) -> None:
        """Nothing is asked of an account that is not the environment's.

        Raises:
            Refused: the account is still to be named, or the credentials are another one's.
        """
        expected = self.environment.account
        if expected == PLACEHOLDER_ACCOUNT:
            raise Refused(f"{self.environment.name} has no account yet: name it in deploy/environments.py.")
        actual = self.client("sts").get_caller_identity()["Account"]
        if actual != expected:
            raise Refused(f"These credentials are for the account {actual}; {self.environment.name} is in {expected}.")


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that knows `--env`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--env", required=True, choices=list(ENVIRONMENTS))
    return parser


def agree_at_the_keyboard(environment: Environment) -> Agree:
    """Ask; production's name has to be typed. Where nobody can answer it is a no."""

    def agree(what: str) -> bool:
        word = environment.name if environment.name == "prod" else "yes"
        say_on_screen(what)
        try:
            return input(f"Type {word} to go on: ").strip() == word
        except EOFError:
            return False

    return agree


def agreed(_what: str) -> bool:
    """For `--yes`."""
    return True


def carry_out(act: Callable[[Account], None], environment: str) -> int:
    """Do it in the environment; the process's exit status. What goes wrong is told in one line, without values."""
    from botocore.exceptions import BotoCoreError, ClientError

    account = Account(ENVIRONMENTS[environment])
    try:
        account.check()
        act(account)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
    except ClientError as error:
        # Its message may quote what was sent; the code and the action say enough.
        code = error.response.get("Error", {}).get("Code", "")
        sys.stderr.write(f"AWS refused {error.operation_name}: {code}\n")
    except BotoCoreError as error:
        sys.stderr.write(f"AWS could not be asked: {type(error).__name__}\n")
    else:
        return 0
    return REFUSED


def until(account: Account, look: Callable[[], Any], *, what: str, limit_s: float, every_s: float = 10) -> Any:
    """What `look` returns once that is something.

    Raises:
        StillUnderWay: it was nothing all the time.
    """
    waited = 0.0
    while not (found := look()):
        if waited >= limit_s:
            raise StillUnderWay(f"{what}: not within {limit_s / 60:.0f} minutes. It may still be under way.")
        account.pause(every_s)
        waited += every_s
    return found


def batches(items: Sequence[str], size: int) -> list[list[str]]:
    """As many at once as an action of AWS takes."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
