"""The providers that the settings name."""

from eloquent.foundation.config import get_config
from inference.providers.anthropic import Anthropic
from inference.providers.base import Provider
from inference.providers.bedrock import Bedrock
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.ollama import Ollama
from inference.providers.openai import OpenAI
from inference.providers.openai_compatible import OpenAICompatible


def configured_providers() -> list[Provider]:
    """The preferred ones first. Empty when none is set."""
    config = get_config()
    providers: list[Provider] = []
    if config.ollama_host:
        providers.append(Ollama(*config.ollama_host))
    if config.llamacpp_host:
        providers.append(LlamaCppServer(config.llamacpp_host))
    if config.openai_compatible_url:
        key = config.openai_compatible_api_key
        providers.append(
            OpenAICompatible(config.openai_compatible_url, api_key=key.get_secret_value() if key else None)
        )
    if config.openai_api_key:
        secret, address = config.openai_api_key.get_secret_value(), config.openai_base_url
        providers.append(OpenAI(api_key=secret, names=config.openai_models, base_url=address))
    if config.anthropic_api_key:
        secret, address = config.anthropic_api_key.get_secret_value(), config.anthropic_base_url
        providers.append(Anthropic(api_key=secret, names=config.anthropic_models, base_url=address))
    if config.bedrock_model_id:
        region = config.bedrock_region or config.aws_region
        providers.append(Bedrock(config.bedrock_model_id, region=region, endpoint_url=config.bedrock_endpoint_url))
    return providers
