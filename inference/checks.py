"""Wrong settings of language models, found by `manage.py check` before anybody asks a question."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  (Django's own name)

from eloquent.foundation.config import get_config


@register("inference")
def check_language_models(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """What cannot work with the settings as they are. Nothing is asked over the network."""
    config = get_config()
    found: list[CheckMessage] = []
    # On a developer's machine `manage.py up` brings a model, so only a deployment must name one.
    if config.strict and not (config.ollama_host or config.llamacpp_host or config.openai_compatible_url):
        found.append(
            Warning(
                "No language model is configured, so every question will be answered with an error.",
                hint="Set OLLAMA_HOST, LLAMACPP_HOST or OPENAI_COMPATIBLE_URL.",
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
    ):
        if url and urlsplit(url).path.rstrip("/").endswith(ending):
            found.append(
                Error(
                    f"{name} ends with {ending}, which is added to it for every request.",
                    hint=f"Leave {ending} out.",
                    id="inference.E001",
                )
            )
    return found
