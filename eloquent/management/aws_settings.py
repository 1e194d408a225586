"""A file of settings beside what AWS has of them: how they differ, what may not be written, and writing it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from eloquent.foundation.config import ConfigFaults, Fault
from eloquent.foundation.config.aws import attempt, client
from eloquent.foundation.config.placement import Place, Stored, misplaced, path_of, place_of, values_in_place
from eloquent.foundation.config.settings import FIELDS, shown
from eloquent.foundation.config.validation import validated

_NOT_YET: Final = "ResourceNotFoundException"
_NOW_THERE: Final = "ResourceExistsException"


class How(StrEnum):
    """How a setting differs. Surplus is what the file does not name: it is told, and never deleted."""

    MISSING = "missing"
    DIFFERS = "differs"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting, named as an attribute, that is not the same here and there."""

    name: str
    how: How
    here: str = field(repr=False)
    there: str = field(repr=False)

    def __str__(self) -> str:
        """One line without a secret."""
        line = f"{self.how:<8} {self.name.upper():<30}"
        if self.how is How.SURPLUS or place_of(self.name) is Place.SECRET:
            return line.rstrip()
        here = shown(self.name, self.here)
        return f"{line} {here}" if self.how is How.MISSING else f"{line} {shown(self.name, self.there)} → {here}"


def settings_in(file: Path) -> dict[str, str]:
    """The settings that a file in the form of `.env` sets: attribute → value, as written: nothing is put in for `${X}`.

    Raises:
        OSError: it cannot be read.
        ConfigFaults: it names what no setting is, or what AWS is not asked for.
    """
    with file.open(encoding="utf-8") as lines:
        said = {name: value for name, value in dotenv_values(stream=lines, interpolate=False).items() if value}
    faults = [Fault(name, f"in {file}", "a name that a setting has") for name in said if name.lower() not in FIELDS]
    faults += [
        Fault(name, f"in {file}", "it in the process's environment alone: it says where to look in AWS, or to listen")
        for name in said
        if name.lower() in FIELDS and place_of(name.lower()) is Place.ENVIRONMENT
    ]
    # Names are in capitals on every system that takes them.
    faults += [Fault(name, f"in {file}", name.upper()) for name in said if name != name.upper()]
    if faults:
        raise ConfigFaults(faults)
    return {name.lower(): value for name, value in said.items()}


def differences(here: dict[str, str], stored: Stored) -> list[Difference]:
    """Every setting that is not the same in the file and in its place in AWS, in the order of `Config`."""
    there = {name: value for name, (value, _) in values_in_place(stored).items()}
    found = []
    for name in FIELDS:
        ours, theirs = here.get(name, ""), there.get(name, "")
        if ours != theirs:
            how = How.MISSING if not theirs else How.DIFFERS if ours else How.SURPLUS
            found.append(Difference(name, how, ours, theirs))
    return found


def left_in_the_wrong_place(here: dict[str, str], stored: Stored) -> list[Fault]:
    """What AWS has where it does not belong, or without a value that the file has none for either."""
    empty = {name.upper() for name in here if stored.secrets.get(name.upper(), "") is None}
    return [fault for fault in misplaced(stored) if fault.name not in empty]


def faults_after(here: dict[str, str], stored: Stored) -> tuple[list[Fault], list[Fault]]:
    """What the service would refuse with the file in AWS: of the file's own settings, and of what it does not name."""
    there = {name: value for name, (value, _) in values_in_place(stored).items()}
    _, faults = validated(there | here | {"eloquent_env": stored.environment, "aws_region": stored.region})
    of_the_file = [fault for fault in faults if fault.name.lower() in here]
    return of_the_file, [fault for fault in faults if fault not in of_the_file]


def written(found: list[Difference], stored: Stored) -> Iterator[str]:
    """Write what is missing or differs, one setting after the other, and say each when it is done.

    Raises:
        ConfigFaults: one was not written, nor were those after it. What was, stays: do it again.
    """
    clients = {place: cache(partial(client, place, stored.region)) for place in (Place.PARAMETER, Place.SECRET)}
    for difference in found:
        if difference.how is not How.SURPLUS:
            place, path = place_of(difference.name), path_of(stored.environment, difference.name)
            write = write_parameter if place is Place.PARAMETER else write_secret
            yield f"{write(clients[place](), path, difference.here)} in {place.service}"


def write_parameter(ssm: Any, path: str, value: str) -> str:
    """Set it; what was done to which path."""

    def put() -> None:
        # A value above 4 KiB takes a parameter that costs something; smaller ones do not.
        ssm.put_parameter(Name=path, Value=value, Type="String", Overwrite=True, Tier="Intelligent-Tiering")

    _do(put, "ssm:PutParameter", path)
    return f"set {path}"


def write_secret(secrets: Any, path: str, value: str) -> str:
    """Set it, or make it where there is none; what was done to which path."""
    verb = "set"

    def put() -> None:
        nonlocal verb
        if not _unless(_NOT_YET, lambda: secrets.put_secret_value(SecretId=path, SecretString=value)):
            verb = "made"
            if not _unless(_NOW_THERE, lambda: secrets.create_secret(Name=path, SecretString=value)):
                # Somebody made it in this moment.
                secrets.put_secret_value(SecretId=path, SecretString=value)

    _do(put, "secretsmanager:PutSecretValue and CreateSecret", path)
    return f"{verb} {path}"


def _unless(code: str, ask: Callable[[], Any]) -> bool:
    """Whether AWS did what it was asked, and did not refuse with this code."""
    from botocore.exceptions import ClientError

    try:
        ask()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
        return False
    return True


def _do(ask: Callable[[], None], action: str, path: str) -> None:
    if (fault := attempt(ask, action, path)) is not None:
        raise ConfigFaults([fault])
