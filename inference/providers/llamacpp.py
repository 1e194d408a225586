"""A llama.cpp server: OpenAI's wire format under /v1, and its own /health and /props.

Described at https://github.com/ggml-org/llama.cpp/tree/master/tools/server.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import PurePosixPath
from typing import Final

import httpx
import msgspec

from inference.errors import InferenceError, ModelBusy, VendorError
from inference.providers.base import ProviderModel
from inference.providers.openai_compatible import Listing
from inference.providers.openai_wire import OpenAIDecoder, chat_body
from inference.providers.server import Server, conversation
from inference.types import Event, PromptRequest

LOOK_EVERY_S: Final = 0.5
"""How often a loading server is asked whether it is ready."""


class LlamaCppServer:
    """One server, which serves one model to as many answers at once as it has slots."""

    name = "llamacpp"
    refuses_overflow = True

    def __init__(self, base_url: str) -> None:
        self._server = Server(base_url)

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer. The server refuses work while it loads; here that is a wait with a `Status`, as with others."""
        # For the chat template: those that know no such switch pass over it.
        unthinking = {"chat_template_kwargs": {"enable_thinking": False}} if request.options.thinking is False else {}
        body = chat_body(request, **unthinking)
        loading = asyncio.Event()

        async def is_loading() -> bool:
            return loading.is_set()

        return conversation(
            lambda: self._open_when_loaded(body, request.model, loading),
            OpenAIDecoder(request.model),
            is_loading=is_loading,
        )

    async def models(self) -> list[ProviderModel]:
        """Its model. The window is that of one slot: what one answer can use.

        A server that was started with a file and no alias lists the file's path, which is nobody's business: only its
        name is shown. It answers whatever name it is called by.
        """
        listed = await self._server.get("/v1/models", Listing, about=self.name)
        props = await self._server.get("/props", _Props, about=self.name)
        window = props.default_generation_settings.n_ctx
        sees = ("vision",) if props.modalities.vision else ()
        return [
            ProviderModel(_shown_name(model.id), window or model.window, sees, loaded=True)
            for model in listed.data or []
        ]

    async def aclose(self) -> None:
        """Nothing of its own is open."""

    async def _open_when_loaded(self, body: bytes, model: str, loading: asyncio.Event) -> httpx.Response:
        while True:
            try:
                return await self._server.open("/v1/chat/completions", body, about=model)
            except ModelBusy as error:
                if not _is_loading(error):
                    raise
            loading.set()
            while not await self._is_ready(model):  # noqa: ASYNC110  (another program: there is nothing to await)
                await asyncio.sleep(LOOK_EVERY_S)
            loading.clear()

    async def _is_ready(self, model: str) -> bool:
        try:
            await self._server.get("/health", msgspec.Raw, about=model)
        except ModelBusy as error:
            if _is_loading(error):
                return False
            raise
        return True


class _Settings(msgspec.Struct):
    n_ctx: int | None = None


class _Modalities(msgspec.Struct):
    vision: bool = False


class _Props(msgspec.Struct):
    modalities: _Modalities = msgspec.field(default_factory=_Modalities)
    default_generation_settings: _Settings = msgspec.field(default_factory=_Settings)


def _is_loading(error: InferenceError) -> bool:
    told = error.__cause__
    return isinstance(told, VendorError) and "loading" in told.text.casefold()


def _shown_name(listed: str) -> str:
    return PurePosixPath(listed.replace("\\", "/")).name.removesuffix(".gguf") if listed.endswith(".gguf") else listed
