"""The shared HTTP client, for an SDK that accepts only clients of httpx2.

Import it where the SDK is imported: httpx2 comes with the SDK.
"""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import httpx2

from eloquent.foundation.http import http_client

OURS: Final = "eloquent.response"
"""The extension of a response that holds the shared client's own: whoever reads that one reads at its cost."""


class SharedTransport(httpx2.AsyncBaseTransport):
    """Sends by the running loop's client, with that client's time limits."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response, its body not read. What goes wrong is raised as httpx's errors, not httpx2's."""
        client = http_client()
        sent = client.build_request(
            request.method, str(request.url), content=await request.aread(), headers=request.headers.multi_items()
        )
        response = await client.send(sent, stream=True)
        return httpx2.Response(
            response.status_code,
            headers=response.headers.multi_items(),
            stream=_Body(response),
            extensions={OURS: response},
        )


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._response.aiter_raw():
            yield data

    async def aclose(self) -> None:
        await self._response.aclose()
