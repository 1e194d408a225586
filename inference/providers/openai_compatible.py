"""Any server that speaks OpenAI's chat completions: vLLM, LM Studio, LiteLLM, OpenRouter, and many more."""

from collections.abc import AsyncGenerator

import msgspec

from inference.providers.base import ProviderModel
from inference.providers.openai_wire import OpenAIDecoder, chat_body
from inference.providers.server import Server, conversation
from inference.types import Event, PromptRequest


class OpenAICompatible:
    """A server at `base_url`, which ends where "/chat/completions" begins (usually in /v1)."""

    name = "openai-compatible"
    refuses_overflow = False  # most do; Ollama and others behind the same interface cut it

    def __init__(self, base_url: str, *, api_key: str | None = None) -> None:
        self._server = Server(base_url, headers={"Authorization": f"Bearer {api_key}"} if api_key else None)

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer."""
        body = chat_body(request)
        return conversation(
            lambda: self._server.open("/chat/completions", body, about=request.model),
            OpenAIDecoder(request.model),
        )

    async def models(self) -> list[ProviderModel]:
        """Everything that GET /models lists: the format does not tell which of them can chat, nor how much they read.

        Some servers add a window, each under a name of its own; else it is unknown.
        """
        listed = await self._server.get("/models", Listing, about=self.name)
        return [ProviderModel(model.id, model.window) for model in listed.data or []]

    async def aclose(self) -> None:
        """Nothing of its own is open."""


class ListedModel(msgspec.Struct):
    """One line of GET /models."""

    id: str
    max_model_len: int | None = None  # vLLM
    context_length: int | None = None  # OpenRouter, LM Studio
    context_window: int | None = None  # Groq

    @property
    def window(self) -> int | None:
        """The context window in tokens, if the server tells it."""
        return self.max_model_len or self.context_length or self.context_window


class Listing(msgspec.Struct):
    """GET /models. Ollama answers `"data": null` for none."""

    data: list[ListedModel] | None = None
