"""The HTTP session of AWS's package without redirects: it would send the question wherever a server points.

Imported with that package, by the first question (see `inference.providers.bedrock`).
"""

from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession


class RedirectRefused(aiohttp.ClientError):
    """A server answered with another address."""


async def _refuse(_session: Any, _context: Any, details: aiohttp.TraceRequestRedirectParams) -> None:
    raise RedirectRefused(f"{details.url.host} answers {details.response.status} and another address")


class StraightSession(AIOHTTPSession):  # type: ignore[misc]  # the package ships no types
    """Goes where it was sent, and nowhere else."""

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = await super()._get_session(proxy_url)
        if not session.trace_configs:
            # The only thing of a session that hears of a redirect before it is followed.
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(_refuse)
            trace.freeze()
            session.trace_configs.append(trace)
        return session
