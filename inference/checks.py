"""Wrong settings of language models and of tools, found by `manage.py check` before anybody asks a question."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  (Django's own name)

from eloquent.foundation.config import Config, get_config
from inference.providers.bedrock import BEARER_TOKEN
from inference.providers.bedrock_models import shown_name
from inference.tools.mcp_settings import mcp_settings

CREDENTIALS_NAMED = (
    BEARER_TOKEN,
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
CREDENTIALS_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}

PROVIDERS = ("ollama", "llamacpp", "openai-compatible", "openai", "anthropic", "bedrock")
"""The names that providers give themselves; a test compares."""


@register("inference")
def check_language_models(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """What cannot work with the settings as they are. Nothing is asked over the network."""
    config = get_config()
    found: list[CheckMessage] = []
    # On a developer's machine `manage.py up` brings a model, so only a deployment must name one.
    named = config.ollama_host or config.llamacpp_host or config.openai_compatible_url
    vendors = config.openai_api_key or config.anthropic_api_key or config.bedrock_model_id
    if config.strict and not (named or vendors):
        found.append(
            Warning(
                "No language model is configured, so every question will be answered with an error.",
                hint="Set OLLAMA_HOST, LLAMACPP_HOST, OPENAI_COMPATIBLE_URL, OPENAI_API_KEY, ANTHROPIC_API_KEY or"
                " BEDROCK_MODEL_ID.",
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
    return [*found, *_vendors_faults(config), *_slots_faults(config), *_knowledge_faults(config)]


def _knowledge_faults(config: Config) -> list[CheckMessage]:
    if bool(config.pinecone_api_key) == bool(config.pinecone_index_name):
        return []
    there, missing = "PINECONE_API_KEY", "PINECONE_INDEX_NAME"
    if config.pinecone_index_name:
        there, missing = missing, there
    return [
        Warning(
            f"{there} is set, but {missing} is not, so language models cannot search there.",
            hint=f"Set {missing}, or remove {there}.",
            id="inference.W011",
        )
    ]


def _slots_faults(config: Config) -> list[CheckMessage]:
    named = (entry.partition("=")[0] for entry in config.model_slots)
    return [
        Warning(
            f"MODEL_SLOTS names “{name}”, which is no provider, so nothing is limited by it.",
            hint=f"The providers are {', '.join(PROVIDERS)}.",
            id="inference.W010",
        )
        for name in named
        if name not in PROVIDERS
    ]


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
def check_bedrock(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """What keeps Amazon Bedrock from answering. Nothing is asked over the network, and nobody else is kept."""
    config = get_config()
    if not config.bedrock_model_id:
        return _named_in_vain(config)
    if find_spec("aiobotocore") is None:
        return [
            Error(
                "BEDROCK_MODEL_ID is set, but the package aiobotocore is not installed.",
                hint="Install what requirements.txt lists, or remove BEDROCK_MODEL_ID.",
                id="inference.E002",
            )
        ]
    found: list[CheckMessage] = []
    if fault := _region_fault(config):
        found.append(Error(fault, hint="Set BEDROCK_REGION or AWS_REGION.", id="inference.E003"))
    names = [shown_name(model_id) for model_id in config.bedrock_model_id]
    found += [
        Error(
            f"BEDROCK_MODEL_ID names “{name}” twice, and only the first of them can be chosen.",
            hint="Leave one of them out.",
            id="inference.E004",
        )
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if not _credentials_in_sight():
        found.append(
            Warning(
                "BEDROCK_MODEL_ID is set, and no AWS credentials are in sight.",
                hint="Give this process AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (in its environment: .env is not "
                f"read for them), {BEARER_TOKEN}, a profile or a role. On an EC2 instance with a role all is well.",
                id="inference.W007",
            )
        )
    return found


def _named_in_vain(config: Config) -> list[CheckMessage]:
    named = {"BEDROCK_REGION": config.bedrock_region, "BEDROCK_ENDPOINT_URL": config.bedrock_endpoint_url}
    return [
        Warning(
            f"{name} is set, but BEDROCK_MODEL_ID is not.",
            hint=f"Set BEDROCK_MODEL_ID to the models that are to be offered, or remove {name}.",
            id="inference.W006",
        )
        for name, value in named.items()
        if value
    ]


def _region_fault(config: Config) -> str | None:
    """What is wrong with the region; AWS's package may know one that no setting of ours names."""
    # It takes a third of a second to load, so only those who use Bedrock pay for it.
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        known = Session().get_config_variable("region")
    except BotoCoreError as error:
        return f"AWS's own settings cannot be read: {error}."
    if config.bedrock_region or config.aws_region or known:
        return None
    return "BEDROCK_MODEL_ID is set, but no AWS region."


def _credentials_in_sight() -> bool:
    files = (Path(os.environ.get(name) or default).expanduser() for name, default in CREDENTIALS_FILES.items())
    return any(os.environ.get(name) for name in CREDENTIALS_NAMED) or any(
        file.is_file() and file.stat().st_size for file in files
    )


@register("inference")
def check_tools(app_configs: Sequence[Any] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Servers of tools that will not be asked. Only warnings: everything else works without them."""
    settings = mcp_settings(get_config())
    found: list[CheckMessage] = [
        Warning(
            fault,
            hint="What this names is left out until it is put right; README.md has an example.",
            id="inference.W008",
        )
        for fault in settings.faults
    ]
    if settings.servers and find_spec("mcp") is None:
        found.append(
            Warning(
                f"MCP_SERVERS names {', '.join(settings.servers)}, but the package mcp is not installed.",
                hint="Install it (it stands in requirements.txt), or remove MCP_SERVERS.",
                id="inference.W009",
            )
        )
    return found
