"""An httpx2 transport that goes only where a `Guard` lets it, to the very address that was checked.

Name, check and connection are one step: the socket is opened to a checked address, while `Host` and the certificate
stay those of the name, so a name that resolves to something else a moment later gains nothing. Redirects are requests
like others and are checked like others; what follows them is the client's choice.

It is imported only where httpx2 is known to be there: the MCP package brings it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from ssl import SSLContext
from typing import Any, Final

import httpcore2
import httpx2

from eloquent.foundation.ssrf import AddressRefused, Guard

_SOCKETS: Final = 10


@lru_cache(maxsize=1)
def _certificates() -> SSLContext:
    """Reading them takes some milliseconds, so once. `SSL_CERT_FILE` is heard, a proxy's settings are not."""
    return httpx2.create_ssl_context()


class _Pinned(httpcore2.AnyIOBackend):
    """Opens sockets to checked addresses. TLS comes after, with the name."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the interface of httpcore2)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
                # One that swallows everything must leave time for the next.
                share_s = None if timeout is None else timeout / len(addresses)
                for address in addresses[:-1]:
                    try:
                        return await super().connect_tcp(address, port, share_s, local_address, socket_options)
                    except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                        continue
                return await super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except (AddressRefused, OSError) as error:
            raise httpcore2.ConnectError(str(error)) from error


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport for `httpx2.AsyncClient`, which closes it.

    Args:
        guard: says where requests may go.
        most_bytes: what one response may have. A longer one breaks off with `httpx2.ReadError`, and `overflowed` says
            so. Compressed responses are refused: a small one may become anything.
    """

    def __init__(self, guard: Guard, *, most_bytes: int) -> None:
        self.overflowed = False
        self._guard = guard
        self._most_bytes = most_bytes
        self._inner = httpx2.AsyncHTTPTransport(verify=_certificates(), trust_env=False)
        # There is no way to give it a backend, and the pool is all that it adds to httpcore2.
        self._inner._pool = httpcore2.AsyncConnectionPool(  # noqa: SLF001
            ssl_context=_certificates(), max_connections=_SOCKETS, network_backend=_Pinned(guard)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Check, send, and bound what comes back.

        Raises:
            httpx2.ConnectError: the guard refuses, or no connection.
        """
        try:
            self._guard.check(str(request.url))
        except AddressRefused as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("the response is compressed, though it was asked not to be", request=request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, self)
        return response

    async def aclose(self) -> None:
        """Close every connection; an answer that is being read breaks off."""
        await self._inner.aclose()

    def overflow(self) -> httpx2.ReadError:
        """Note that a response was too long."""
        self.overflowed = True
        return httpx2.ReadError(f"the response has more than {self._most_bytes:,} bytes")

    @property
    def most_bytes(self) -> int:
        """What one response may have."""
        return self._most_bytes


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, transport: GuardedTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for piece in self._stream:
            seen += len(piece)
            if seen > self._transport.most_bytes:
                raise self._transport.overflow()
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
