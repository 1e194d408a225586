"""All settings in one, which of them are secret, and how a value may be shown."""

from typing import Final

from eloquent.foundation.config.accounts import AccountSettings
from eloquent.foundation.config.files import FileSettings
from eloquent.foundation.config.models import ModelSettings
from eloquent.foundation.config.observing import ObservingSettings
from eloquent.foundation.config.serving import ServingSettings
from eloquent.foundation.config.types import Environment
from eloquent.foundation.masking import mask_uri


class Config(AccountSettings, FileSettings, ModelSettings, ObservingSettings, ServingSettings, frozen=True):
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


FIELDS: Final = Config.model_fields


def is_secret(name: str) -> bool:
    """Whether the setting, named as an attribute, is a secret: its value is shown to nobody."""
    return "SecretStr" in str(FIELDS[name].annotation)


def shown(name: str, value: str) -> str:
    """A value of the setting for people's eyes: masked where it is secret."""
    if not value:
        return "nothing"
    if "://" in value and name.endswith(("_uri", "_url", "_host", "_endpoint")):
        return mask_uri(value)
    return "********" if is_secret(name) else value
