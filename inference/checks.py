"""Wrong settings of language models and of tools, found by `manage.py check` before anybody asks a question."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  (Django's own name)

from eloquent.foundation.config import Config, get_config
from inference.tools.mcp_settings import mcp_settings


@register("inference")
def check_language_models(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """What cannot work with the settings as they are. Nothing is asked over the network."""
    config = get_config()
    found: list[CheckMessage] = []
    # On a developer's machine `manage.py up` brings a model, so only a deployment must name one.
    named = config.ollama_host or config.llamacpp_host or config.openai_compatible_url
    if config.strict and not (named or config.openai_api_key or config.anthropic_api_key):
        found.append(
            Warning(
                "No language model is configured, so every question will be answered with an error.",
                hint="Set OLLAMA_HOST, LLAMACPP_HOST, OPENAI_COMPATIBLE_URL, OPENAI_API_KEY or ANTHROPIC_API_KEY.",
                id="inference.W001",
            )
        )
    if config.ollama_model and not config.ollama_host:
        found.append(
            Warning(
                f"OLLAMA_MODEL is {config.ollama_model}, but OLLAMA_HOST is not set.",
                hint="Set OLLAMA_HOST to the server that has the model, or remove OLLAMA_MODEL.",
                id="inference.W002",
            )
        )
    if config.openai_compatible_api_key and not config.openai_compatible_url:
        found.append(
            Warning(
                "OPENAI_COMPATIBLE_API_KEY is set, but OPENAI_COMPATIBLE_URL is not.",
                hint="Set OPENAI_COMPATIBLE_URL to the server that the key is for.",
                id="inference.W003",
            )
        )
    for name, url, ending in (
        ("OPENAI_COMPATIBLE_URL", config.openai_compatible_url, "/chat/completions"),
        *(("OLLAMA_HOST", host, ending) for host in config.ollama_host for ending in ("/api", "/v1")),
        ("LLAMACPP_HOST", config.llamacpp_host, "/v1"),
        ("OPENAI_BASE_URL", config.openai_base_url, "/chat/completions"),
        ("ANTHROPIC_BASE_URL", config.anthropic_base_url, "/messages"),
        ("ANTHROPIC_BASE_URL", config.anthropic_base_url, "/v1"),
    ):
        if url and urlsplit(url).path.rstrip("/").endswith(ending):
            found.append(
                Error(
                    f"{name} ends with {ending}, which is added to it for every request.",
                    hint=f"Leave {ending} out.",
                    id="inference.E001",
                )
            )
    return [*found, *_vendors_faults(config)]


def _vendors_faults(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for vendor, key, models, url in (
        ("OPENAI", config.openai_api_key, config.openai_models, config.openai_base_url),
        ("ANTHROPIC", config.anthropic_api_key, config.anthropic_models, config.anthropic_base_url),
    ):
        package = vendor.lower()
        if key and not models:
            found.append(
                Warning(
                    f"{vendor}_API_KEY is set, but {vendor}_MODELS names no model, so none of its models is offered.",
                    hint=f"Set {vendor}_MODELS to the models to offer, comma separated.",
                    id="inference.W004",
                )
            )
        if (models or url) and not key:
            found.append(
                Warning(
                    f"{vendor}_{'MODELS' if models else 'BASE_URL'} is set, but {vendor}_API_KEY is not.",
                    hint=f"Set {vendor}_API_KEY to a key of the account that pays.",
                    id="inference.W005",
                )
            )
        if key and find_spec(package) is None:
            found.append(
                Error(
                    f"{vendor}_API_KEY is set, but the package {package} is not installed.",
                    hint="Install what requirements.txt names.",
                    id="inference.E002",
                )
            )
    return found


@register("inference")
def check_tools(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Servers of tools that will not be asked. Only warnings: everything else works without them."""
    settings = mcp_settings(get_config())
    found: list[CheckMessage] = [
        Warning(
            fault,
            hint="What this names is left out until it is put right; README.md has an example.",
            id="inference.W006",
        )
        for fault in settings.faults
    ]
    if settings.servers and find_spec("mcp") is None:
        found.append(
            Warning(
                f"MCP_SERVERS names {', '.join(settings.servers)}, but the package mcp is not installed.",
                hint="Install it (it stands in requirements.txt), or remove MCP_SERVERS.",
                id="inference.W007",
            )
        )
    return found
