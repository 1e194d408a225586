"""Every setting: its name, type, meaning and default. Read once: the environment, `.env`, AWS, the default.

Names in the environment are the attributes' in upper case (`MONGODB_URI`). An empty value counts as not set. AWS is
asked with `CONFIG_SOURCE=aws` alone. A variable of the environment wins over it; what ECS injects is such a variable.
All faults are reported together: `ConfigFaults` names each setting, what was found (secrets masked) and what is
expected. A development machine makes its own keys and keeps them in the state directory; staging and production
refuse to start without real ones, and so does dev with `PRODUCTION_RULES`.
"""

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from eloquent.foundation import keys
from eloquent.foundation.config import aws, placement
from eloquent.foundation.config.faults import ConfigFaults, Fault
from eloquent.foundation.config.placement import Place
from eloquent.foundation.config.settings import FIELDS, Config, shown
from eloquent.foundation.config.types import Environment
from eloquent.foundation.config.validation import validated

__all__ = [
    "Config",
    "ConfigFaults",
    "EffectiveSetting",
    "Environment",
    "Fault",
    "effective_settings",
    "get_config",
    "load_config",
    "unknown_in_aws",
]


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting as it is in force. `shown` is masked where it is secret; `source` says where it came from."""

    name: str
    shown: str
    source: str
    description: str


_GENERATED = {"secret_key": ("secret-key", keys.make_secret), "jwt_private_key": ("jwt.pem", keys.make_signing_key)}


def _found() -> dict[str, tuple[str, str]]:
    """Each setting that is set: attribute → (value, source). The environment wins over `.env`, and both over AWS.

    On a development machine, what none of them sets is looked for among the servers that `manage.py up` has running.
    Tests see neither of these, nor `.env`.
    """
    named = _found_here()
    if (stored := _in_aws(named)) is not None:
        return placement.values_in_place(stored) | named
    if named.get("eloquent_env", (Environment.DEV,))[0] != Environment.DEV:
        return named
    file = Path(named.get("eloquent_state_dir", (FIELDS["eloquent_state_dir"].default,))[0]) / "running.env"
    running = {name.lower(): (value, str(file)) for name, value in dotenv_values(file).items() if value}
    return {name: entry for name, entry in running.items() if name in FIELDS} | named


def _found_here() -> dict[str, tuple[str, str]]:
    file_values = {} if os.environ.get("ELOQUENT_ENV") == Environment.TEST else dotenv_values(".env")
    return {
        name: (value, source)
        for source, values in ((".env", file_values), ("environment", os.environ))
        for name in FIELDS
        if (value := values.get(name.upper()))
    }


def _in_aws(named: dict[str, tuple[str, str]]) -> placement.Stored | None:
    """What AWS has for this environment, when it is to be asked.

    Raises:
        ConfigFaults: nobody said which environment or region, AWS does not tell, or a setting lies in the wrong place.
    """
    if named.get("config_source", ("",))[0] != "aws":
        return None
    told: dict[str, str] = {name: named[name][0] for name in ("eloquent_env", "aws_region") if name in named}
    missing = [
        Fault(name.upper(), "nothing", f"{FIELDS[name].description}, in the environment: CONFIG_SOURCE=aws needs it")
        for name in ("eloquent_env", "aws_region")
        if name not in told
    ]
    # Neither is made a part of a path or an address before it is known to be one.
    wrong = [fault for fault in validated(told)[1] if fault.name.lower() in told]
    if missing or wrong:
        raise ConfigFaults(missing + wrong)
    stored = aws.stored_once(told["eloquent_env"], told["aws_region"])
    if faults := placement.misplaced(stored):
        raise ConfigFaults(faults)
    return stored


def _with_place(fault: Fault, found: dict[str, tuple[str, str]]) -> Fault:
    """The fault, with the place in AWS where its setting lies or should."""
    name = fault.name.lower()
    value, source = found.get(name, ("", ""))
    if value and source.startswith((f"{Place.PARAMETER} ", f"{Place.SECRET} ")):
        return replace(fault, found=f"{fault.found} at {source}")
    if found.get("config_source", ("",))[0] == "aws" and not value:
        path = placement.path_of(found["eloquent_env"][0], name)
        return replace(fault, found=f"{fault.found}, here and at {path} in {placement.place_of(name).service}")
    return fault


def load_config() -> Config:
    """Read everything anew, except what AWS has: that is read once a process.

    Raises:
        ConfigFaults: with all faults at once.
    """
    found = _found()
    config, faults = validated({name: value for name, (value, _) in found.items()})
    if faults:
        raise ConfigFaults([_with_place(fault, found) for fault in faults])
    made = {
        name: SecretStr(keys.kept(config.eloquent_state_dir / file, make))
        for name, (file, make) in _GENERATED.items()
        if not getattr(config, name).get_secret_value()
    }
    return config.model_copy(update=made)


@lru_cache(maxsize=1)
def get_config() -> Config:
    """The configuration of this process, read at the first call.

    Raises:
        ConfigFaults: with all faults at once.
    """
    return load_config()


def effective_settings(config: Config) -> list[EffectiveSetting]:
    """Every setting in the order of `Config`, with secrets masked and the source of each value."""
    found = _found()
    rows = []
    for name, field in FIELDS.items():
        value = getattr(config, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = ",".join(text) if isinstance(text, tuple) else "" if text is None else str(text)
        if name in found:
            source = found[name][1]
        elif name in _GENERATED and text:
            source = str(config.eloquent_state_dir / _GENERATED[name][0])
        else:
            source = "default"
        rows.append(EffectiveSetting(name.upper(), shown(name, text), source, field.description or ""))
    return rows


def unknown_in_aws() -> list[str]:
    """A sentence for each name in AWS that no setting has; none when AWS is not asked. For the log, at the start."""
    stored = _in_aws(_found_here())
    return [] if stored is None else placement.unknown_names(stored)
