"""Anthropic's Claude, by its official SDK: POST /v1/messages, answered as server-sent events.

The format is at https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import httpx
import structlog

from inference.errors import ModelAccessDenied
from inference.providers.anthropic_models import Ways, models_listed
from inference.providers.anthropic_wire import AnthropicDecoder, message_fields
from inference.providers.base import ProviderModel
from inference.providers.server import conversation
from inference.providers.vendors import asked
from inference.types import Event, PromptRequest

log = structlog.get_logger(__name__)

_LISTED_AT_ONCE: Final = 1000


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
        self._ways: dict[str, Ways] = {}
        self._made: Any = None

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer."""
        return conversation(lambda: self._open(request), AnthropicDecoder(request.model))

    async def models(self) -> list[ProviderModel]:
        """Those of the models that the settings name which the API has, as it describes them."""
        raw = await asked(self._client(self.name).models.with_raw_response.list(limit=_LISTED_AT_ONCE), about=self.name)
        listed = {told.id: told for told in models_listed(raw.http_response.content, about=self.name)}
        for name in self._names:
            if name not in listed:
                log.warning("Anthropic has no model %s, so it is not offered", name)
        self._ways = {name: listed[name].ways() for name in self._names if name in listed}
        return [ProviderModel(name, listed[name].max_input_tokens, listed[name].words()) for name in self._ways]

    async def aclose(self) -> None:
        """Nothing of its own is open."""

    async def _open(self, request: PromptRequest) -> httpx.Response:
        create = self._client(request.model).messages.with_raw_response.create
        raw = await asked(create(**message_fields(request, self._ways.get(request.model, Ways()))), about=request.model)
        response: httpx.Response = raw.http_response.extensions[self._ours]
        return response

    def _client(self, about: str) -> Any:
        if self._sdk is None or not self._api_key:
            raise ModelAccessDenied(about)
        if self._made is None:  # once: it is a sixth of what asking costs
            self._made = self._sdk.AsyncAnthropic(
                api_key=self._api_key,
                base_url=self._base_url or "https://api.anthropic.com",
                max_retries=0,
                timeout=None,  # the shared client keeps that for the connection
                http_client=self._http,
                # Compression would hold tokens back in the server's compressor, and we read raw bytes.
                default_headers={"Accept-Encoding": "identity"},
            )
        return self._made
