"""`python -m deploy.rotate --env prod NAME`: another value for a secret, and nobody is signed out.

SECRET_KEY, REDIS_URL   a value is made up here
MODEL_CA                our own model's certificate, with a key that is made here; also the first one
JWT                     the application makes a key, publishes it, and signs with it later
any other               read from standard input: paste it, or `… < file`. Never an argument, which others could see
"""

import sys
from collections.abc import Callable, Sequence
from getpass import getpass
from typing import Final

from deploy.commands.account import Account, Agree, Refused, agree_at_the_keyboard, agreed, arguments, carry_out
from deploy.commands.rotations import (
    replace,
    rotate_cache_password,
    rotate_model_certificate,
    rotate_secret_key,
    rotate_signing_key,
)
from deploy.environments import ENVIRONMENTS
from deploy.parameters import secrets_of

JWT: Final = "JWT"
_MADE_HERE: Final[dict[str, Callable[[Account], None]]] = {
    "SECRET_KEY": rotate_secret_key,
    "REDIS_URL": rotate_cache_password,
    JWT: rotate_signing_key,
    "MODEL_CA": rotate_model_certificate,
}
# The first is what JWT is about, the second follows from SECRET_KEY.
_NOT_BY_HAND: Final = {"JWT_PRIVATE_KEY", "SECRET_KEY_FALLBACKS"}


def rotate(account: Account, name: str, *, read: Callable[[str], str], agree: Agree) -> None:
    """Change it, and return when every task uses the new value.

    Args:
        account: where.
        name: a setting's name, or JWT.
        read: asks for a value; what it shows is the argument.
        agree: asks whether to go on.

    Raises:
        Refused: there is no such secret, no value came, the operator did not agree, or no task came up with it.
    """
    known = [secret.name for secret in secrets_of(account.environment)]
    made_here = [each for each in _MADE_HERE if each == JWT or each in known]
    by_hand = [each for each in known if each not in made_here and each not in _NOT_BY_HAND]
    if name not in made_here and name not in by_hand:
        raise Refused(f"{name}: name one of {', '.join([*made_here, *by_hand])}.")
    value = "" if name in made_here else read(f"The new {name}: ").strip()
    if name in by_hand and not value:
        raise Refused(f"No value of {name} came from standard input. Nothing was changed.")
    if not agree(f"{account.environment.name}: another {name}, and the service's tasks anew."):
        raise Refused("Nothing was changed.")
    if name in made_here:
        _MADE_HERE[name](account)
    else:
        replace(account, name, value)
    account.say(f"{name} is another one now.")


def read_value(prompt: str) -> str:
    """From a keyboard without showing it, else all of standard input."""
    return getpass(prompt) if sys.stdin.isatty() else sys.stdin.read()


def main(argv: Sequence[str]) -> int:
    """0 when every task uses the new value."""
    parser = arguments("Rotate a secret. Values come from standard input and are never shown.")
    parser.add_argument("name", metavar="NAME", help="SECRET_KEY, REDIS_URL, JWT, MONGODB_URI, OPENAI_API_KEY, …")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where the value comes from a pipe")
    asked = parser.parse_args(argv)
    agree = agreed if asked.yes else agree_at_the_keyboard(ENVIRONMENTS[asked.env])
    return carry_out(lambda account: rotate(account, asked.name, read=read_value, agree=agree), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
