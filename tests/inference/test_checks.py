"""Wrong settings are found before anybody asks a question."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from eloquent.foundation.config import ConfigFaults, Environment, get_config
from inference import checks
from inference.checks import check_bedrock, check_language_models
from inference.providers.anthropic import Anthropic
from inference.providers.bedrock import Bedrock
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.ollama import Ollama
from inference.providers.openai import OpenAI
from inference.providers.openai_compatible import OpenAICompatible


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    vendors = [f"{vendor}_{name}" for vendor in ("OPENAI", "ANTHROPIC") for name in ("API_KEY", "BASE_URL", "MODELS")]
    servers = ("OLLAMA_HOST", "OLLAMA_MODEL", "LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "OPENAI_COMPATIBLE_API_KEY")
    for name in (*servers, *vendors):
        monkeypatch.delenv(name, raising=False)
    get_config.cache_clear()
    yield
    get_config.cache_clear()


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"OLLAMA_HOST": "http://127.0.0.1:11434", "OLLAMA_MODEL": "llama3.2"}, []),
        ({"OPENAI_COMPATIBLE_URL": "http://127.0.0.1:1/v1", "OPENAI_COMPATIBLE_API_KEY": "sk-1"}, []),
        ({"OLLAMA_MODEL": "llama3.2"}, ["inference.W002"]),
        ({"OPENAI_COMPATIBLE_API_KEY": "sk-1"}, ["inference.W003"]),
        ({"OPENAI_COMPATIBLE_URL": "http://127.0.0.1:1/v1/chat/completions"}, ["inference.E001"]),
        ({"OLLAMA_HOST": "http://127.0.0.1:11434/v1"}, ["inference.E001"]),
        ({"OLLAMA_HOST": "http://127.0.0.1:11434/api"}, ["inference.E001"]),
        ({"LLAMACPP_HOST": "http://127.0.0.1:1/v1"}, ["inference.E001"]),
        ({"MODEL_SLOTS": "ollama=4,openai-compatible=2"}, []),
        ({"MODEL_SLOTS": "ollama=4,lama=2"}, ["inference.W010"]),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_MODELS": "gpt-4.1"}, []),
        ({"ANTHROPIC_API_KEY": "sk-1"}, ["inference.W004"]),
        ({"OPENAI_MODELS": "gpt-4.1"}, ["inference.W005"]),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, ["inference.W005"]),
        (
            {"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_MODELS": "m", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/v1"},
            ["inference.E001"],
        ),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], found: list[str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    messages = check_language_models()
    assert [message.id for message in messages] == found
    for message in messages:
        assert message.hint
        assert "sk-1" not in f"{message.msg}{message.hint}"


def test_the_providers_that_a_limit_may_name_are_those_that_there_are() -> None:
    there_are = {LlamaCppServer.name, Ollama.name, OpenAICompatible.name, OpenAI.name, Anthropic.name, Bedrock.name}
    assert set(checks.PROVIDERS) == there_are


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_vendor_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    monkeypatch.setenv(f"{vendor.upper()}_API_KEY", "sk-1")
    monkeypatch.setenv(f"{vendor.upper()}_MODELS", "m")
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == vendor else object())
    assert [message.id for message in check_language_models()] == ["inference.E002"]


BEDROCK = {"BEDROCK_MODEL_ID": "us.amazon.nova-lite-v1:0", "AWS_REGION": "eu-west-1"}
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"AWS_REGION": "eu-west-1"}, []),
        (BEDROCK, []),
        (BEDROCK | {"AWS_REGION": "", "BEDROCK_REGION": "eu-west-1"}, []),
        (BEDROCK | {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, []),
        (BEDROCK | {"AWS_REGION": ""}, ["inference.E003"]),
        (BEDROCK | {"AWS_PROFILE": "not-there"}, ["inference.E003"]),
        (BEDROCK | {"AWS_ACCESS_KEY_ID": ""}, ["inference.W007"]),
        (BEDROCK | {"AWS_ACCESS_KEY_ID": "", "AWS_BEARER_TOKEN_BEDROCK": "sk-1"}, []),
        (BEDROCK | {"BEDROCK_MODEL_ID": f"us.amazon.nova-lite-v1:0,{ARN}"}, ["inference.E004"]),
        ({"BEDROCK_REGION": "eu-west-1"}, ["inference.W006"]),
        ({"BEDROCK_ENDPOINT_URL": "http://127.0.0.1:1"}, ["inference.W006"]),
    ],
    ids=str,
)
def test_what_keeps_bedrock_from_answering_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], found: list[str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    messages = check_bedrock()
    assert [message.id for message in messages] == found
    for message in messages:
        assert message.hint
        assert "123456789012" not in f"{message.msg}{message.hint}"


def test_credentials_in_a_file_are_in_sight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in BEDROCK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert [message.id for message in check_bedrock()] == ["inference.W007"]
    file.write_text("[default]" + os.linesep)
    assert check_bedrock() == []


def test_a_missing_package_is_named_and_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BEDROCK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(checks, "find_spec", lambda _name: None)
    assert [message.id for message in check_bedrock()] == ["inference.E002"]


def test_a_region_that_is_none_is_a_fault_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_REGION", "Frankfurt")
    with pytest.raises(ConfigFaults, match="BEDROCK_REGION: found Frankfurt"):
        get_config()
    for region in ("us-east-1", "us-gov-west-1", "ap-southeast-4", "eusc-de-east-1", "us-isob-east-1"):
        monkeypatch.setenv("BEDROCK_REGION", region)
        get_config.cache_clear()
        assert get_config().bedrock_region == region


def test_a_deployment_without_a_model_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    production = get_config().model_copy(update={"eloquent_env": Environment.PROD})
    monkeypatch.setattr(checks, "get_config", lambda: production)
    assert [message.id for message in check_language_models()] == ["inference.W001"]


def test_django_knows_the_check() -> None:
    from django.core.checks.registry import registry

    assert {check_language_models, check_bedrock} <= registry.registered_checks
