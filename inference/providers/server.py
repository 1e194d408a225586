"""Who one talks to: a model server's address and key, and a conversation with it over HTTP.

How one talks is a `Decoder`, which gets the bytes of each network read and has no connection of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar, cast

import aiohttp
import httpx
import msgspec
import structlog

from eloquent.foundation.http import http_client
from inference.beat import reading_beat
from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelUnreachable
from inference.providers.decoder import Decoder
from inference.providers.refusals import BODY_LIMIT_BYTES, refusal, unreadable
from inference.types import Event, Status

log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_Response = TypeVar("_Response", httpx.Response, aiohttp.ClientResponse)
"""A response whose body has not been read: of our own client, or of a vendor's package that is built on aiohttp."""

QUIET_S: Final = 0.25
"""A warm model answers within this; only then is it worth a question whether it is loading."""
STATUS_EVERY_S: Final = 3.0
DRAIN_S: Final = 0.25
"""How long the end of the body may lag behind the answer's end before the connection is given up."""
LISTING_LIMIT_BYTES: Final = 4 * 1024 * 1024

# The transport names most of aiohttp's errors in httpx's words and lets some through as they are.
LOST: Final = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError, TimeoutError)


class BodyTooLong(httpx.StreamError):
    """A body that is longer than any good one."""

    def __init__(self) -> None:
        super().__init__("the body is too long")


class Server:
    """A model server's address.

    Args:
        base_url: what every path is appended to, with or without a slash at its end.
        headers: sent with each request; where a key goes.
    """

    def __init__(self, base_url: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        # Compression would hold tokens back in the server's compressor, and we read raw bytes.
        self._headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", **(headers or {})}

    async def get(self, path: str, type_: type[_T], *, about: str) -> _T:
        """The JSON body of a 200, at most 4 MiB, as `type_`. `about` is what an error's sentence names."""
        return await self._whole("GET", path, None, type_, about)

    async def post(self, path: str, body: bytes, type_: type[_T], *, about: str) -> _T:
        """As `get`, for a request with a JSON body and a short answer."""
        return await self._whole("POST", path, body, type_, about)

    async def delete(self, path: str, body: bytes, *, about: str) -> None:
        """A 200 is all that is wanted; its body is not looked at."""
        await close(await self._send("DELETE", path, body, about))

    async def open(self, path: str, body: bytes, *, about: str) -> httpx.Response:
        """A 200 whose body has not been read. The caller closes it.

        Raises:
            ModelUnreachable: no connection, or none until the status line.
            InferenceError: the refusal that another status stands for.
        """
        return await self._send("POST", path, body, about)

    async def _whole(self, method: str, path: str, body: bytes | None, type_: type[_T], about: str) -> _T:
        response = await self._send(method, path, body, about)
        try:
            told = await _body_of(response, LISTING_LIMIT_BYTES)
        except LOST as error:
            raise ModelUnreachable(about) from error
        finally:
            await close(response)
        try:
            return msgspec.json.decode(told, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(about, told, error) from error

    async def _send(self, method: str, path: str, body: bytes | None, about: str) -> httpx.Response:
        client = http_client()
        request = client.build_request(method, self.base_url + path, content=body, headers=self._headers)
        try:
            response = await client.send(request, stream=True)
        except LOST as error:
            if any(isinstance(told, aiohttp.ClientResponseError) for told in (error, error.__cause__)):
                raise ModelFailed(about) from error  # something answers, and not in HTTP
            raise ModelUnreachable(about) from error
        if response.status_code == httpx.codes.OK:
            return response
        try:
            told = await _body_of(response, BODY_LIMIT_BYTES)
        except LOST as error:
            told = repr(error).encode()
        finally:
            await close(response)
        raise refusal(about, response.status_code, told, retry_after=response.headers.get("Retry-After"))


async def conversation(  # noqa: C901  (one answer from its opening to its end; a part apart is a generator a token)
    open_: Callable[[], Coroutine[Any, Any, _Response] | asyncio.Task[_Response]],
    decoder: Decoder,
    *,
    is_loading: Callable[[], Awaitable[bool]] | None = None,
    leave: Callable[[asyncio.Task[_Response]], Awaitable[None]] | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of one answer. Closing the generator closes the connection, also while it is being opened.

    While there are no headers yet and `is_loading` says so, a `Status` comes every few seconds. `leave` closes the
    connection at the end, where others may need it to go on.
    """
    # A task of its own, because a status must be told while it is still under way.
    opening = asyncio.ensure_future(open_())
    try:
        if is_loading is not None:
            await asyncio.wait({opening}, timeout=QUIET_S)
            if not opening.done():
                async for status in _statuses_until(opening, is_loading):
                    yield status
        response = await opening
        read, lost = _reader_of(response), None
        beat, begun = reading_beat(), False
        try:
            while data := await read():
                for event in decoder.feed(data):
                    begun = True
                    yield event
                if decoder.finished is not None or decoder.failure is not None:
                    break
                if begun:  # the first words are never held
                    await beat.next()
        except LOST as error:
            lost = error
            for event in decoder.feed(_left_behind(response)):
                yield event
        for event in decoder.end():
            yield event
        if decoder.finished is None:
            raise _verdict(decoder, lost)
        yield decoder.finished
        await _drain(read)
    finally:
        await (leave or _hang_up)(opening)


async def _statuses_until(
    opening: "asyncio.Task[_Response]", is_loading: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[Status, None]:
    loop = asyncio.get_running_loop()
    began_at = loop.time() - QUIET_S
    while not opening.done():
        asking = asyncio.ensure_future(is_loading())
        try:
            # Not awaited alone: an answer that comes meanwhile must not wait for this question.
            await asyncio.wait({opening, asking}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                return
            if asking.result():
                yield Status("loading", round(loop.time() - began_at, 1))
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        await asyncio.wait({opening}, timeout=STATUS_EVERY_S)


async def _hang_up(opening: "asyncio.Task[_Response]") -> None:
    """Close the connection, whether its answer has begun, is awaited or has just come in."""
    if not opening.done():
        opening.cancel()
        await asyncio.wait({opening})
    if not opening.cancelled() and opening.exception() is None:
        await close(opening.result())


async def close(response: httpx.Response | aiohttp.ClientResponse) -> None:
    """Close the connection, or give it back when its answer was read to the end."""
    if isinstance(response, aiohttp.ClientResponse):
        response.close()
        return
    await response.aclose()
    # They hold each other: garbage for the collector, with the request and all its headers.
    del response.stream


def _verdict(decoder: Decoder, lost: Exception | None) -> InferenceError:
    failure = decoder.failure or AnswerCutOff(decoder.model)
    failure.__cause__ = failure.__cause__ or lost
    return failure


def _reader_of(response: httpx.Response | aiohttp.ClientResponse) -> Callable[[], Awaitable[bytes]]:
    """What awaits the body's next bytes, and is empty at its end.

    With httpx's aiohttp transport it is aiohttp's own reader. Three generators lie between it and httpx's stream: work
    for every token, and left half-read when an answer is stopped.
    """
    content = _aiohttp_content(response)
    if content is not None:
        return _reader_from_kernel(content)
    reads = aiter(cast(httpx.AsyncByteStream, cast(httpx.Response, response).stream))

    async def read() -> bytes:
        return await anext(reads, b"")

    return read


def _reader_from_kernel(content: aiohttp.StreamReader) -> Callable[[], Awaitable[bytes]]:
    """What reads the body from the connection while it is awaited, and at no other time.

    What comes in between waits in the kernel and is taken by one call: aiohttp would wake up and parse for each token,
    about a tenth of a paced answer's CPU as SSE.
    """
    transport: asyncio.ReadTransport | None = getattr(getattr(content, "_protocol", None), "transport", None)
    if transport is None:
        return content.readany

    async def read() -> bytes:
        # After the body's end the connection may be another answer's already.
        if not content.is_eof():
            transport.resume_reading()
        try:
            return await content.readany()
        finally:
            if not content.is_eof() and not transport.is_closing():
                transport.pause_reading()

    return read


def _left_behind(response: httpx.Response | aiohttp.ClientResponse) -> bytes:
    """What had arrived when the connection broke: the last words of an answer, which nobody can ask for again.

    aiohttp keeps these bytes and raises before it hands them out, so they are taken from where it keeps them.
    """
    content = _aiohttp_content(response)
    kept = list(getattr(content, "_buffer", ()))
    offset = getattr(content, "_buffer_offset", 0)
    return b"".join([kept[0][offset:], *kept[1:]]) if kept else b""


def _aiohttp_content(response: httpx.Response | aiohttp.ClientResponse) -> aiohttp.StreamReader | None:
    if isinstance(response, aiohttp.ClientResponse):
        return response.content
    stream = getattr(response.stream, "_stream", None)
    return getattr(getattr(stream, "_aiohttp_response", None), "content", None)


async def _drain(read: Callable[[], Awaitable[bytes]]) -> None:
    """Read to the end of the body, so that the connection can serve the next answer."""
    try:
        async with asyncio.timeout(DRAIN_S):
            while await read():
                pass
    except LOST as error:
        log.debug("The connection is not kept: %r", error)


async def _body_of(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for data in response.aiter_bytes():
        body += data
        if len(body) > limit:
            raise BodyTooLong
    return bytes(body)
