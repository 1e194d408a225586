"""How letters leave: Django's mail settings, made from the configuration."""

from typing import Any
from urllib.parse import unquote, urlsplit

from eloquent.foundation.config import Config, Environment

_BACKENDS = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    "ses": "anymail.backends.amazon_ses.EmailBackend",
    "off": "django.core.mail.backends.dummy.EmailBackend",
}
_TIMEOUT_S = 20


def mail_settings(config: Config) -> dict[str, Any]:
    """Django's settings of mail. Tests have letters in memory, unless they name a way."""
    kind = config.mail_backend or ("off" if config.strict else "console")
    settings: dict[str, Any] = {
        "EMAIL_BACKEND": _BACKENDS[kind],
        "EMAIL_TIMEOUT": _TIMEOUT_S,
        "DEFAULT_FROM_EMAIL": config.mail_from,
        "SERVER_EMAIL": config.mail_from,
    }
    if config.eloquent_env == Environment.TEST and not config.mail_backend:
        settings["EMAIL_BACKEND"] = "django.core.mail.backends.locmem.EmailBackend"
    if kind == "ses":
        settings["ANYMAIL"] = {"AMAZON_SES_CLIENT_PARAMS": {"region_name": config.aws_region}}
    if kind == "smtp" and config.smtp_url is not None:
        settings |= _smtp(config.smtp_url.get_secret_value())
    return settings


def _smtp(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if is_tls else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_tls,
        # A password goes over an encrypted connection, or nowhere.
        "EMAIL_USE_TLS": not is_tls and bool(parts.username),
    }
