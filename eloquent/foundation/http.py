"""One pooled HTTP client for every language model."""

import asyncio
import ssl
from weakref import WeakKeyDictionary

import httpx
from httpx_aiohttp import AiohttpTransport

from eloquent.foundation.config import get_config

# aiohttp's connector belongs to the loop it was made on: one client for each (a server process has one loop).
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

CONNECT_TIMEOUT_S = 5.0


def http_client() -> httpx.AsyncClient:
    """The client of the running event loop.

    Its transport is aiohttp's: httpx's own parser is most of what a streamed token costs. Reading has no time limit
    here, because a model may be silent for minutes before its first token; whoever reads sets one.
    """
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None or client.is_closed:
        client = httpx.AsyncClient(
            # 0 is no limit for aiohttp; None would be its default of 100, and answer 101 would wait in silence.
            # llama.cpp closes idle connections after 5 s: one kept as long may be gone when the request is sent.
            transport=AiohttpTransport(
                verify=_trusting(), limits=httpx.Limits(max_connections=0, keepalive_expiry=4.0)
            ),
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
        )
        _clients[loop] = client
    return client


async def close_http_client() -> None:
    """Close the running loop's client, if one was made."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


def _trusting() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if (more := get_config().model_ca) is not None:
        context.load_verify_locations(cadata=more.get_secret_value())
    return context
