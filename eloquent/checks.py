"""Settings that are each right and together unsafe: what Django's deploy checks do not know of (`check --deploy`).

What no deployment may have at all stops the start (`eloquent.foundation.config`). These are for an operator to judge.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004  (Django's own name)

from eloquent.foundation.config import Config, get_config
from eloquent.foundation.ssrf import AllowedHost


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """What makes a deployment unsafe though every setting has its form. Nothing is asked over the network."""
    config = get_config()
    if not config.strict:
        return []
    return [*_edges(config), *_databases(config), *_keys_in_clear(config), *_words_in_clear(config)]


def _edges(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if plain := [origin for origin in config.allowed_origins if not origin.startswith("https://")]:
        found.append(
            _warning(
                1,
                f"ALLOWED_ORIGINS has {', '.join(plain)}, whose pages come without TLS.",
                "Anybody on the way can change such a page and use its visitor's sign-in. Serve it over https://.",
            )
        )
    if config.trusted_proxy_hops == 0:
        found.append(
            _warning(
                2,
                "TRUSTED_PROXY_HOPS is 0: all people have the address of the proxy before us, and share its limits.",
                "Set it to the number of proxies that add to X-Forwarded-For (docs/proxy.md).",
            )
        )
    if config.next_public_api_url and not config.next_public_api_url.startswith("https://"):
        found.append(
            _warning(3, "NEXT_PUBLIC_API_URL is not https://.", "Browsers would send passwords and tokens in clear.")
        )
    if config.log_level == "DEBUG":
        found.append(
            _warning(4, "LOG_LEVEL is DEBUG: libraries write down what people ask.", "Use INFO where people are real.")
        )
    return found


def _databases(config: Config) -> list[CheckMessage]:
    return [*_redis(config), *_mongodb(config)]


def _redis(config: Config) -> list[CheckMessage]:
    parts = urlsplit(config.redis_url.get_secret_value() if config.redis_url is not None else "")
    is_plain = parts.scheme == "redis" and not _is_own(parts.hostname)
    if is_plain and not parts.password:
        return [
            _warning(
                5,
                "REDIS_URL has neither TLS nor a password, and leads to another machine.",
                "Whoever reaches it reads answers as they are made. Use rediss:// and a password.",
            )
        ]
    if is_plain or parse_qs(parts.query).get("ssl_cert_reqs") == ["none"]:
        return [
            _warning(
                8,
                "REDIS_URL has no TLS, or checks no certificate, and leads to another machine.",
                "Its password and answers as they are made travel in clear. Use rediss://, and trust its authority.",
            )
        ]
    return []


def _mongodb(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    parts = urlsplit(config.mongodb_uri.get_secret_value())
    if all(map(_is_own_part, parts.netloc.rpartition("@")[2].split(","))):
        return found
    options = {name.lower(): values[-1].lower() for name, values in parse_qs(parts.query).items()}
    if "@" not in parts.netloc and "authmechanism" not in options:
        found.append(
            _warning(
                6,
                "MONGODB_URI has no user, and leads to another machine.",
                "Whoever reaches it reads every conversation. Turn access control on.",
            )
        )
    # `mongodb+srv://` has it unless it is turned off; a certificate that nobody checks is anybody's.
    encrypted = options.get("tls", options.get("ssl", "true" if parts.scheme == "mongodb+srv" else "false")) == "true"
    unchecked = {"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
    if not encrypted or any(options.get(name) == "true" for name in unchecked):
        found.append(
            _warning(
                9,
                "MONGODB_URI has no TLS, or checks no certificate, and leads to another machine.",
                "Every conversation travels in clear, or to whoever answers. Add tls=true, and trust its authority.",
            )
        )
    return found


def _keys_in_clear(config: Config) -> list[CheckMessage]:
    keyed = {
        "OPENAI_BASE_URL": (config.openai_base_url, config.openai_api_key),
        "OPENAI_COMPATIBLE_URL": (config.openai_compatible_url, config.openai_compatible_api_key),
        "ANTHROPIC_BASE_URL": (config.anthropic_base_url, config.anthropic_api_key),
        "BEDROCK_ENDPOINT_URL": (config.bedrock_endpoint_url, config.bedrock_model_id),
        "ATTACHMENTS_ENDPOINT": (config.attachments_endpoint, config.attachments_bucket),
    }
    return [
        _warning(
            7, f"{name} is not https://: its key travels in clear.", "Use https://, or a server on this very machine."
        )
        for name, (url, key) in keyed.items()
        if url and key and url.startswith("http://") and not _is_own(urlsplit(url).hostname)
    ]


def _words_in_clear(config: Config) -> list[CheckMessage]:
    places = {
        "OLLAMA_HOST": config.ollama_host,
        "LLAMACPP_HOST": (config.llamacpp_host,),
        "OPENAI_COMPATIBLE_URL": () if config.openai_compatible_api_key else (config.openai_compatible_url,),
        "MCP_ALLOWED_HOSTS": config.mcp_allowed_hosts,
    }
    plain = [
        name
        for name, urls in places.items()
        if any(url and url.startswith("http://") and not _is_own(urlsplit(url).hostname) for url in urls)
    ]
    smtp = urlsplit(config.smtp_url.get_secret_value() if config.smtp_url is not None else "")
    if smtp.scheme == "smtp" and not smtp.username and not _is_own(smtp.hostname):
        plain.append("SMTP_URL")
    return [
        _warning(
            10,
            f"{name} leads to another machine without TLS.",
            "What people write, or a letter's link, travels in clear. Use TLS, or a network that is yours alone.",
        )
        for name in plain
    ]


def _is_own(host: str | None) -> bool:
    """Whether the host is this machine."""
    return host is None or host in {"localhost", "::1"} or host.startswith("127.")


def _is_own_part(place: str) -> bool:
    try:
        return _is_own(AllowedHost.read(place).host)
    except ValueError:
        return False


def _warning(number: int, message: str, hint: str) -> CheckMessage:
    return Warning(message, hint=hint, id=f"eloquent.W{number:03}")
