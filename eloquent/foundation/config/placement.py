"""Which setting belongs where in AWS: a secret in Secrets Manager, the rest in Parameter Store, both by the same path.

Pure: nothing is asked. `placement` is what infrastructure is compared with.
"""

import difflib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from eloquent.foundation.config.faults import Fault
from eloquent.foundation.config.settings import FIELDS, is_secret

SAY_WHERE_TO_LOOK: Final = frozenset({"config_source", "eloquent_env", "aws_region"})
"""These are read from the environment and `.env` alone: without them nobody knows where in AWS to look."""

SAY_WHERE_TO_LISTEN: Final = frozenset({"host", "port"})
"""So are these: whoever runs the process asks it there (`eloquent.serving.probe`), without reading settings."""


class Place(StrEnum):
    """Where a setting is kept. The values are what sources are called (`ssm /eloquent/prod/LOG_LEVEL`)."""

    PARAMETER = "ssm"
    SECRET = "secretsmanager"  # noqa: S105 - the service's name
    ENVIRONMENT = "environment"

    @property
    def service(self) -> str:
        """What AWS calls it."""
        return {"ssm": "Parameter Store", "secretsmanager": "Secrets Manager"}.get(self.value, "the environment")


@dataclass(frozen=True, slots=True)
class Stored:
    """What AWS has directly under one environment's path, by the last part of each name.

    A secret without a value is None. `encrypted` are parameters of type SecureString, whose values were not read.
    """

    environment: str
    region: str
    parameters: dict[str, str]
    secrets: dict[str, str | None]
    encrypted: frozenset[str] = field(default_factory=frozenset)


def path_of(environment: str, name: str = "") -> str:
    """The path of an environment, or of a setting in it: `/eloquent/prod/LOG_LEVEL`."""
    return f"/eloquent/{environment}" + (f"/{name.upper()}" if name else "")


def place_of(name: str) -> Place:
    """Where the setting, named as an attribute, is kept when the configuration is in AWS."""
    if name in SAY_WHERE_TO_LOOK | SAY_WHERE_TO_LISTEN:
        return Place.ENVIRONMENT
    return Place.SECRET if is_secret(name) else Place.PARAMETER


def placement() -> dict[str, Place]:
    """Every setting by its name in the environment (`MONGODB_URI`), and where it is kept."""
    return {name.upper(): place_of(name) for name in FIELDS}


def values_in_place(stored: Stored) -> dict[str, tuple[str, str]]:
    """The settings that are where they belong: attribute → (value, source)."""
    found: dict[str, tuple[str, str]] = {}
    for name in FIELDS:
        kept = stored.parameters if (place := place_of(name)) is Place.PARAMETER else stored.secrets
        if place is not Place.ENVIRONMENT and (value := kept.get(name.upper())):
            found[name] = (value, f"{place} {path_of(stored.environment, name)}")
    return found


def misplaced(stored: Stored) -> list[Fault]:
    """A fault for each setting that lies where it does not belong, or was begun and has no value. No value is shown."""
    return [
        Fault(name.upper(), f"{what} {path_of(stored.environment, name)}", expected)
        for name in FIELDS
        for what, expected in _wrong(name, stored)
    ]


def unknown_names(stored: Stored) -> list[str]:
    """A sentence for each name that no setting has: a slip of the hand, or of another release. They change nothing."""
    settings = [name.upper() for name in FIELDS]
    sentences = []
    for place, names in ((Place.PARAMETER, stored.parameters), (Place.SECRET, stored.secrets)):
        for name in sorted(set(names) - set(settings)):
            near = difflib.get_close_matches(name.upper(), settings, n=1, cutoff=0.75)
            meant = f"; is {near[0]} meant?" if near else ""
            sentences.append(
                f"{path_of(stored.environment)}/{name} in {place.service}: no setting has this name{meant}"
            )
    return sentences


def _wrong(name: str, stored: Stored) -> list[tuple[str, str]]:
    place, key = place_of(name), name.upper()
    wrong = []
    if key in stored.parameters and place is not Place.PARAMETER:
        wrong.append((f"in {Place.PARAMETER.service} at", f"it in {place.service} alone"))
    elif key in stored.encrypted:
        wrong.append(("a SecureString at", "a parameter of type String, since it is no secret"))
    if key in stored.secrets and place is not Place.SECRET:
        wrong.append((f"in {Place.SECRET.service} at", f"it in {place.service} alone"))
    elif key in stored.secrets and not stored.secrets[key]:
        wrong.append(("a secret without a value at", "a value: `manage.py config push`, or delete it"))
    return wrong
