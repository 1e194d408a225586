"""Whether values make a configuration: each by itself, all together, and by the rules of production. Pure."""

from pydantic import ValidationError

from eloquent.foundation import openid_providers
from eloquent.foundation.config.faults import Fault
from eloquent.foundation.config.settings import FIELDS, Config, shown

_SHORTEST_SECRET_KEY = 50


def validated(values: dict[str, str]) -> tuple[Config, list[Fault]]:
    """The configuration with what can be used of the values (attribute → text), and a fault for each that cannot.

    What does not fit together is a fault of the setting that would have to change, or is missing.
    """
    config, faults = _usable(values)
    named_wrong = {fault.name for fault in faults}
    together = _registration_faults(config) + (_strict_faults(config) if config.strict else [])
    return config, faults + [fault for fault in together if fault.name not in named_wrong]


def _strict_faults(config: Config) -> list[Fault]:
    faults = []
    if config.debug:
        faults.append(Fault("DEBUG", "true", f"false in {config.eloquent_env}"))
    if any("*" in host or host.startswith(".") for host in config.allowed_hosts):
        faults.append(Fault("ALLOWED_HOSTS", ",".join(config.allowed_hosts), "full host names, no wildcard"))
    secret_key = config.secret_key.get_secret_value()
    if len(secret_key) < _SHORTEST_SECRET_KEY:
        faults.append(Fault("SECRET_KEY", shown("secret_key", secret_key), FIELDS["secret_key"].description or ""))
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
        faults.append(Fault("JWT_PRIVATE_KEY", "nothing", FIELDS["jwt_private_key"].description or ""))
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


def _usable(values: dict[str, str]) -> tuple[Config, list[Fault]]:
    """The configuration with what can be used of the values, and a fault for each that cannot."""
    try:
        return Config.model_validate(values), []
    except ValidationError as error:
        wrong = {str(entry["loc"][0]): entry["msg"] for entry in error.errors()}
    faults = [
        Fault(name.upper(), shown(name, values[name]), f"{FIELDS[name].description} ({message})")
        for name, message in wrong.items()
    ]
    return Config.model_validate({name: value for name, value in values.items() if name not in wrong}), faults
