"""Wrong settings are found before anybody asks a question."""

from collections.abc import Iterator

import pytest

from eloquent.foundation.config import Environment, get_config
from inference import checks
from inference.checks import check_language_models


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


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_vendor_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch, vendor: str) -> None:
    monkeypatch.setenv(f"{vendor.upper()}_API_KEY", "sk-1")
    monkeypatch.setenv(f"{vendor.upper()}_MODELS", "m")
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == vendor else object())
    assert [message.id for message in check_language_models()] == ["inference.E002"]


def test_a_deployment_without_a_model_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    production = get_config().model_copy(update={"eloquent_env": Environment.PROD})
    monkeypatch.setattr(checks, "get_config", lambda: production)
    assert [message.id for message in check_language_models()] == ["inference.W001"]


def test_django_knows_the_check() -> None:
    from django.core.checks.registry import registry

    assert check_language_models in registry.registered_checks
