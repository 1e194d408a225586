"""OpenAI itself, by its official SDK. Other servers with its interface are `openai_compatible`.

Chat completions and not the Responses API: that has neither `stop` nor `seed`, which a caller may ask for, and keeps
what it is sent unless told not to. The price is that thoughts come as a count of tokens alone.
The format is at https://platform.openai.com/docs/api-reference/chat-streaming.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import httpx
import msgspec

from eloquent.foundation.http import CONNECT_TIMEOUT_S, http_client
from inference.errors import ModelAccessDenied
from inference.providers.base import ProviderModel
from inference.providers.openai_wire import OpenAIDecoder, chat_body
from inference.providers.server import conversation
from inference.providers.vendors import asked
from inference.types import Event, PromptRequest

WINDOWS: Final = (
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-5", 400_000),
    ("o4-mini", 200_000),
    ("o3", 200_000),
    ("o1", 200_000),
)
"""Tokens, by how a model's name begins: https://platform.openai.com/docs/models."""

_THINKERS: Final = ("gpt-5", "gpt-6", "o1", "o3", "o4")
_BLIND: Final = ("o1-mini", "o1-preview", "o3-mini")
_UNKNOWN_TO_THINKERS: Final = ("temperature", "top_p", "stop")
"""What these models answer with a 400 while they think (https://platform.openai.com/docs/guides/reasoning)."""


class OpenAI:
    """OpenAI's API, with one account's key. `names` are the models offered: what its list holds can mostly not chat."""

    name = "openai"
    refuses_overflow = True

    def __init__(self, *, api_key: str, names: Sequence[str], base_url: str | None = None) -> None:
        try:
            import openai
        except ImportError:
            self._sdk = None
        else:
            self._sdk = openai
        self._api_key, self._base_url, self._names = api_key, base_url, tuple(names)
        self._made: tuple[httpx.AsyncClient, Any] | None = None

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer."""
        return conversation(lambda: self._open(request), OpenAIDecoder(request.model))

    async def models(self) -> list[ProviderModel]:
        """The models that the settings name, when the key is good. The list is asked for nothing but that."""
        await asked(self._client(self.name).models.list(), about=self.name)
        return [ProviderModel(name, _window_of(name), _capabilities_of(name)) for name in self._names]

    async def aclose(self) -> None:
        """Nothing of its own is open."""

    async def _open(self, request: PromptRequest) -> httpx.Response:
        create = self._client(request.model).chat.completions.with_raw_response.create
        raw = await asked(create(**_fields(request)), about=request.model)
        response: httpx.Response = raw.http_response
        return response

    def _client(self, about: str) -> Any:
        if self._sdk is None or not self._api_key:
            raise ModelAccessDenied(about)
        http = http_client()
        if self._made is None or self._made[0] is not http:  # one for each event loop: a sixth of what asking costs
            client = self._sdk.AsyncOpenAI(
                api_key=self._api_key,
                base_url=self._base_url or "https://api.openai.com/v1",
                max_retries=0,
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
                http_client=http,
                # Compression would hold tokens back in the server's compressor, and we read raw bytes.
                default_headers={"Accept-Encoding": "identity"},
            )
            self._made = (http, client)
        return self._made[1]


def _fields(request: PromptRequest) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(chat_body(request))
    fields["max_completion_tokens"] = fields.pop("max_tokens")  # the older name is refused by models that think
    if request.model.startswith(_THINKERS):
        for name in _UNKNOWN_TO_THINKERS:
            fields.pop(name, None)
        if request.options.thinking is False:
            fields["reasoning_effort"] = "low"  # the least that all of them know
    return fields


def _capabilities_of(name: str) -> tuple[str, ...]:
    sees = _window_of(name) is not None and not name.startswith(_BLIND)
    thinks = name.startswith(_THINKERS)
    return ("tools", *(("vision",) if sees else ()), *(("thinking",) if thinks else ()))


def _window_of(name: str) -> int | None:
    return next((window for family, window in WINDOWS if name.startswith(family)), None)
