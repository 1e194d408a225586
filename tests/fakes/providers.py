"""Every provider, pointed at a model server that speaks for all of them under one address."""

from collections.abc import Iterable

from inference.providers.anthropic import Anthropic
from inference.providers.base import Provider
from inference.providers.bedrock import Bedrock
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.ollama import Ollama
from inference.providers.openai import OpenAI
from inference.providers.openai_compatible import OpenAICompatible


def providers_at(url: str, names: Iterable[str]) -> dict[str, Provider]:
    """By their names. `names` are the models that Bedrock is asked for; the others take any."""
    made: list[Provider] = [
        Ollama(f"{url}/ollama"),
        LlamaCppServer(f"{url}/llamacpp"),
        OpenAICompatible(f"{url}/openai-compatible/v1", api_key="sk-test"),
        OpenAI(api_key="sk-test", names=(), base_url=f"{url}/openai/v1"),
        Anthropic(api_key="sk-test", names=(), base_url=f"{url}/anthropic"),
        Bedrock(list(names), region="us-east-1", endpoint_url=f"{url}/bedrock"),
    ]
    return {provider.name: provider for provider in made}
