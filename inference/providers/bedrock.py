"""Amazon Bedrock, over its Converse interface.

AWS's own package finds the credentials, signs and sends; what comes back is read as from every other server. The
package is loaded when the first question is asked: who does not use Bedrock neither needs it nor waits for it.
"""

import asyncio
import importlib
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from eloquent.foundation.http import CONNECT_TIMEOUT_S
from inference.errors import ModelAccessDenied, ModelMissing, VendorError
from inference.providers.base import ProviderModel
from inference.providers.bedrock_errors import failure_of
from inference.providers.bedrock_models import shown_name, window_of
from inference.providers.bedrock_wire import ConverseDecoder, converse_arguments
from inference.providers.server import conversation
from inference.types import Event, PromptRequest

BEARER_TOKEN: Final = "AWS_BEARER_TOKEN_BEDROCK"  # noqa: S105  (the variable's name)
"""Where a Bedrock API key is looked for by AWS's package: it stands in for all other credentials."""


class Bedrock:
    """The models that an operator names: ids, ids of inference profiles, or ARNs of any of them.

    Args:
        model_ids: in the order in which they are offered.
        region: None leaves it to the AWS package (AWS_DEFAULT_REGION, a profile).
        endpoint_url: where to ask in place of the region's public address.
    """

    name = "bedrock"
    refuses_overflow = True

    def __init__(self, model_ids: Sequence[str], *, region: str | None = None, endpoint_url: str | None = None) -> None:
        self._ids = {shown_name(model_id): model_id for model_id in reversed(model_ids)}
        self._names = list(dict.fromkeys(map(shown_name, model_ids)))
        self._region = region
        self._endpoint_url = endpoint_url
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._session: Any = None
        self._client: Any = None

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer. There are no tidings of a queue: Bedrock has one answer for all that is too much, a refusal."""
        return conversation(lambda: self._open(request), ConverseDecoder(request.model))

    async def models(self) -> list[ProviderModel]:
        """The models that were named, if Bedrock can be reached and there are credentials.

        Bedrock's runtime lists nothing, and the interface that does needs rights that answering does not.
        """
        try:
            client = await self._connected()
            await self._reach(client.meta.endpoint_url)
        except Exception as error:
            failed = failure_of(self.name, error, waited_s=0.0)
            if failed is None:
                raise
            raise failed from failed.__cause__
        return [ProviderModel(name, window_of(self._ids[name])) for name in self._names]

    async def aclose(self) -> None:
        """Close the client and its connections."""
        self._client = self._session = None
        await self._opened.aclose()

    async def _open(self, request: PromptRequest) -> aiohttp.ClientResponse:
        model_id = self._ids.get(request.model)
        if model_id is None:
            raise ModelMissing(request.model)
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            client = await self._connected()
            answer = await client.converse_stream(**converse_arguments(request, model_id))
        except Exception as error:
            failed = failure_of(request.model, error, waited_s=loop.time() - asked_at)
            if failed is None:
                raise
            raise failed from failed.__cause__
        # Its own stream makes an event of each message; read as bytes, all text of one network read is one.
        response: aiohttp.ClientResponse = answer["stream"]._raw_stream  # noqa: SLF001
        return response

    async def _connected(self) -> Any:
        """The client of this process, made at its first use. Takes a second, most of it in another thread."""
        async with self._opening:
            if self._client is None:
                await asyncio.to_thread(importlib.import_module, "aiobotocore.session")
                from aiobotocore.config import AioConfig
                from aiobotocore.session import get_session

                from inference.providers.bedrock_session import StraightSession

                # Kept when the rest fails or is given up: it has read the service's description.
                session = self._session = self._session or get_session()
                # A client without credentials would stay without: a role may be there a moment later.
                if not os.environ.get(BEARER_TOKEN) and await session.get_credentials() is None:
                    raise ModelAccessDenied(self.name) from VendorError("There are no AWS credentials.")
                config = AioConfig(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=None,  # the router has the patience
                    retries={"total_max_attempts": 1, "mode": "standard"},  # the router asks again
                    max_pool_connections=0,  # no limit: answer 11 would wait in silence
                    warm_up_loader_caches=True,
                    http_session_cls=StraightSession,
                )
                client = session.create_client(
                    "bedrock-runtime", region_name=self._region, endpoint_url=self._endpoint_url, config=config
                )
                self._client = await self._opened.enter_async_context(client)
            return self._client

    async def _reach(self, url: str) -> None:
        """Raise OSError when nothing accepts a connection there. Behind a proxy only the proxy could tell."""
        from botocore.utils import get_environ_proxies

        if get_environ_proxies(url):
            return
        told = urlsplit(url)
        port = told.port or (443 if told.scheme == "https" else 80)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(told.hostname, port)
        writer.close()
