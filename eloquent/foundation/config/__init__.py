"""Every setting: its name, type, meaning and default. Read once: the environment, then `.env`, then the default.

Names in the environment are the attributes' in upper case (`MONGODB_URI`). An empty value counts as not set.
All faults are reported together: `ConfigFaults` names each setting, what was found (secrets masked) and what is
expected. A development machine makes its own keys and keeps them in the state directory; staging and production
refuse to start without real ones, and so does dev with `PRODUCTION_RULES`.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from eloquent.foundation import keys, openid_providers
from eloquent.foundation.config.accounts import AccountSettings
from eloquent.foundation.config.files import FileSettings
from eloquent.foundation.config.models import ModelSettings
from eloquent.foundation.config.serving import ServingSettings
from eloquent.foundation.config.types import Environment
from eloquent.foundation.masking import mask_uri

__all__ = [
    "Config",
    "ConfigFaults",
    "EffectiveSetting",
    "Environment",
    "Fault",
    "effective_settings",
    "get_config",
    "load_config",
]


class Config(AccountSettings, FileSettings, ModelSettings, ServingSettings, frozen=True):
    """The effective settings. Get it from `get_config`."""

    @property
    def earlier_secret_keys(self) -> tuple[str, ...]:
        """The keys of `secret_key_fallbacks`, newest first."""
        return tuple(key.strip() for key in self.secret_key_fallbacks.get_secret_value().split(",") if key.strip())

    @property
    def sends_mail(self) -> bool:
        """Whether letters leave this service."""
        return (self.mail_backend or ("off" if self.strict else "console")) != "off"

    @property
    def verification(self) -> str:
        """What is in force of `email_verification`: off, optional or required. Without mail nothing can be proven."""
        if not self.sends_mail:
            return "off"
        return self.email_verification or ("required" if self.registration == "domain" else "optional")

    @property
    def strict(self) -> bool:
        """Whether the rules of production hold."""
        return self.production_rules or self.eloquent_env in (Environment.STAGING, Environment.PROD)


@dataclass(frozen=True, slots=True)
class Fault:
    """One setting that cannot be used. `found` is masked where the setting is secret."""

    name: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name}: found {self.found}; expected {self.expected}"


class ConfigFaults(Exception):
    """The configuration cannot be used; `faults` has all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("The configuration has faults:\n" + "\n".join(f"  {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting as it is in force. `shown` is masked where it is secret; `source` says where it came from."""

    name: str
    shown: str
    source: str
    description: str


_FIELDS = Config.model_fields
_GENERATED = {"secret_key": ("secret-key", keys.make_secret), "jwt_private_key": ("jwt.pem", keys.make_signing_key)}
_SHORTEST_SECRET_KEY = 50


def _found() -> dict[str, tuple[str, str]]:
    """Each setting that is set: attribute → (value, source). The environment wins over `.env`.

    On a development machine, what neither sets is looked for among the servers that `manage.py up` has running. Tests
    see neither of these, nor `.env`.
    """
    file_values = {} if os.environ.get("ELOQUENT_ENV") == Environment.TEST else dotenv_values(".env")
    named = {
        name: (value, source)
        for source, values in ((".env", file_values), ("environment", os.environ))
        for name in _FIELDS
        if (value := values.get(name.upper()))
    }
    if named.get("eloquent_env", (Environment.DEV,))[0] != Environment.DEV:
        return named
    file = Path(named.get("eloquent_state_dir", (_FIELDS["eloquent_state_dir"].default,))[0]) / "running.env"
    running = {name.lower(): (value, str(file)) for name, value in dotenv_values(file).items() if value}
    return {name: entry for name, entry in running.items() if name in _FIELDS} | named


def _is_secret(name: str) -> bool:
    return "SecretStr" in str(_FIELDS[name].annotation)


def _shown(name: str, value: str) -> str:
    if not value:
        return "nothing"
    if "://" in value and name.endswith(("_uri", "_url", "_host")):
        return mask_uri(value)
    return "********" if _is_secret(name) else value


def _strict_faults(config: Config) -> list[Fault]:
    faults = []
    if config.debug:
        faults.append(Fault("DEBUG", "true", f"false in {config.eloquent_env}"))
    if any("*" in host or host.startswith(".") for host in config.allowed_hosts):
        faults.append(Fault("ALLOWED_HOSTS", ",".join(config.allowed_hosts), "full host names, no wildcard"))
    secret_key = config.secret_key.get_secret_value()
    if len(secret_key) < _SHORTEST_SECRET_KEY:
        faults.append(Fault("SECRET_KEY", _shown("secret_key", secret_key), _FIELDS["secret_key"].description or ""))
    if config.workers > 1 and config.redis_url is None:
        faults.append(Fault("REDIS_URL", "nothing", f"Redis, through which {config.workers} workers share answers"))
    if config.mail_backend == "console":
        faults.append(Fault("MAIL_BACKEND", "console", "smtp, ses or off: its links must not be in the log"))
    providers = openid_providers.provider_list(config.openid_providers.get_secret_value())
    if plain := [name for name, provider in providers.items() if provider.is_plain]:
        faults.append(Fault("OPENID_PROVIDERS", f"http:// in {', '.join(plain)}", f"https:// in {config.eloquent_env}"))
    if providers and config.next_public_api_url is None:
        faults.append(Fault("NEXT_PUBLIC_API_URL", "nothing", "where OPENID_PROVIDERS send people back to"))
    if not config.jwt_private_key.get_secret_value():
        faults.append(Fault("JWT_PRIVATE_KEY", "nothing", _FIELDS["jwt_private_key"].description or ""))
    return faults


def _registration_faults(config: Config) -> list[Fault]:
    """What does not fit together of who may make an account, and how they prove their email."""
    faults = []
    by_domain = config.registration == "domain"
    if by_domain and not config.registration_domains:
        faults.append(Fault("REGISTRATION_DOMAINS", "nothing", "the domains that REGISTRATION=domain lets in"))
    if by_domain and config.email_verification in ("off", "optional"):
        expected = "required with REGISTRATION=domain: anybody can claim an email"
        faults.append(Fault("EMAIL_VERIFICATION", config.email_verification, expected))
    if (by_domain or config.email_verification == "required") and not config.sends_mail:
        faults.append(Fault("MAIL_BACKEND", config.mail_backend or "off", "smtp or ses: emails are to be proven"))
    if config.mail_backend == "smtp" and config.smtp_url is None:
        faults.append(Fault("SMTP_URL", "nothing", "the mail server of MAIL_BACKEND=smtp"))
    return faults


def _validated(values: dict[str, str]) -> tuple[Config, list[Fault]]:
    """The configuration with what can be used of the values, and a fault for each that cannot."""
    try:
        return Config.model_validate(values), []
    except ValidationError as error:
        wrong = {str(entry["loc"][0]): entry["msg"] for entry in error.errors()}
    faults = [
        Fault(name.upper(), _shown(name, values[name]), f"{_FIELDS[name].description} ({message})")
        for name, message in wrong.items()
    ]
    return Config.model_validate({name: value for name, value in values.items() if name not in wrong}), faults


def load_config() -> Config:
    """Read everything anew.

    Raises:
        ConfigFaults: with all faults at once.
    """
    config, faults = _validated({name: value for name, (value, _) in _found().items()})
    named_wrong = {fault.name for fault in faults}
    together = _registration_faults(config) + (_strict_faults(config) if config.strict else [])
    faults += [fault for fault in together if fault.name not in named_wrong]
    if faults:
        raise ConfigFaults(faults)
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
    for name, field in _FIELDS.items():
        value = getattr(config, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = ",".join(text) if isinstance(text, tuple) else "" if text is None else str(text)
        if name in found:
            source = found[name][1]
        elif name in _GENERATED and text:
            source = str(config.eloquent_state_dir / _GENERATED[name][0])
        else:
            source = "default"
        rows.append(EffectiveSetting(name.upper(), _shown(name, text), source, field.description or ""))
    return rows
