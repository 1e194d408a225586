"""Anthropic's Claude, by its official SDK: POST /v1/messages, answered as server-sent events.

The format is at https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import httpx

from inference.errors import ModelAccessDenied
from inference.providers.anthropic_wire import AnthropicDecoder, message_fields
from inference.providers.base import ProviderModel
from inference.providers.server import conversation
from inference.providers.vendors import asked
from inference.types import Event, PromptRequest

WINDOWS: Final = (("claude-", 200_000),)
"""Tokens, by how a model's name begins: https://docs.anthropic.com/en/docs/about-claude/models/overview."""


class Anthropic:
    """Anthropic's API, with one account's key. `names` are the models offered."""

    name = "anthropic"
    refuses_overflow = True

    def __init__(self, *, api_key: str, names: Sequence[str], base_url: str | None = None) -> None:
        try:
            import anthropic
            import httpx2

            from inference.providers import httpx2_transport
        except ImportError:
            self._sdk = None
        else:
            self._sdk = anthropic
            self._http = httpx2.AsyncClient(transport=httpx2_transport.SharedTransport(), trust_env=False)
            self._ours = httpx2_transport.OURS
        self._api_key, self._base_url, self._names = api_key, base_url, tuple(names)

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer."""
        return conversation(lambda: self._open(request), AnthropicDecoder(request.model))

    async def models(self) -> list[ProviderModel]:
        """The models that the settings name, when the key is good. The list is asked for nothing but that."""
        await asked(self._client(self.name).models.list(), about=self.name)
        return [ProviderModel(name, _window_of(name), ("tools", "vision")) for name in self._names]

    async def aclose(self) -> None:
        """Nothing of its own is open."""

    async def _open(self, request: PromptRequest) -> httpx.Response:
        create = self._client(request.model).messages.with_raw_response.create
        raw = await asked(create(**message_fields(request)), about=request.model)
        response: httpx.Response = raw.http_response.extensions[self._ours]
        return response

    def _client(self, about: str) -> Any:
        if self._sdk is None or not self._api_key:
            raise ModelAccessDenied(about)
        return self._sdk.AsyncAnthropic(
            api_key=self._api_key,
            base_url=self._base_url or "https://api.anthropic.com",
            max_retries=0,
            timeout=None,  # the shared client keeps that for the connection
            http_client=self._http,
            # Compression would hold tokens back in the server's compressor, and we read raw bytes.
            default_headers={"Accept-Encoding": "identity"},
        )


def _window_of(name: str) -> int | None:
    return next((window for family, window in WINDOWS if name.startswith(family)), None)
