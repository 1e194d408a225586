"""Several Ollama servers behind one name: who is asked next, and a load that outlives the one who began it.

A question goes to the server with the fewest answers under way of those that have the model and are well. One that
could not be reached, or failed, comes behind the others for `UNWELL_S`; of several such, the one that has rested
longest comes first.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelUnreachable
from inference.providers.base import HOST_OF, ProviderModel
from inference.providers.server import Server, close
from inference.types import Event, PromptRequest

UNWELL_S: Final = 10.0

_Opening = asyncio.Task[httpx.Response]
_UNWELL: Final = (ModelUnreachable, ModelFailed, AnswerCutOff)


class Loads:
    """The requests that wait for a model on one server, before its first byte.

    Ollama ends a load when the request that began it goes away, however many others wait for it. So a request whose
    reader has left stays open while others wait for the same model, and is closed once the model begins to answer it,
    or when nobody waits any more.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[_Opening]] = defaultdict(set)
        self._left: dict[str, set[_Opening]] = defaultdict(set)

    def begin(self, model: str, request: Coroutine[Any, Any, httpx.Response]) -> _Opening:
        """Send the request; the task ends with its first byte."""
        opening = asyncio.ensure_future(request)
        self._waiting[model].add(opening)
        opening.add_done_callback(partial(self._arrived, model))
        return opening

    async def leave(self, model: str, opening: _Opening) -> None:
        """Its reader has left. Returns when the connection is closed, or is kept open for others."""
        self._waiting[model].discard(opening)
        if not opening.done() and self._waiting[model]:
            self._left[model].add(opening)
            return
        await self._close([opening])
        if not self._waiting[model]:
            await self._close(list(self._left.pop(model, ())))
            del self._waiting[model]

    async def aclose(self) -> None:
        """Close what is kept open for others."""
        kept = [opening for left in self._left.values() for opening in left]
        self._left.clear()
        await self._close(kept)

    def _arrived(self, model: str, opening: _Opening) -> None:
        if model in self._waiting:
            self._waiting[model].discard(opening)
        if opening in self._left.get(model, ()):
            self._left[model].discard(opening)
            # The model is there: nothing is wanted of it here.
            closing = asyncio.ensure_future(self._close([opening]))
            _closing.add(closing)
            closing.add_done_callback(_closing.discard)

    async def _close(self, openings: Sequence[_Opening]) -> None:
        for opening in openings:
            opening.cancel()
        if openings:
            await asyncio.wait(openings)
        for opening in openings:
            if not opening.cancelled() and opening.exception() is None:
                await close(opening.result())


_closing: set[asyncio.Future[None]] = set()


class Host:
    """One server, and what is known of it. `ask` is how it is asked for an answer."""

    def __init__(
        self, base_url: str, name: str, ask: "Callable[[Host, PromptRequest], AsyncGenerator[Event, None]]"
    ) -> None:
        self.name = name
        self.server = Server(base_url)
        self._ask = ask
        self.loads = Loads()
        self.answering = 0
        self.models: frozenset[str] | None = None
        """The models it listed last; None when it never did."""
        self.embedders: tuple[ProviderModel, ...] = ()
        """Those of them that make vectors."""
        self.unwell_since: float | None = None

    async def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """Its events, and a note of how it did."""
        self.answering += 1
        try:
            async with aclosing(self._ask(self, request)) as events:
                async for event in events:
                    yield event
            self.noted(None)
        except InferenceError as error:
            self.noted(error)
            raise
        finally:
            self.answering -= 1

    def noted(self, error: InferenceError | None) -> None:
        """How a call of it ended."""
        if error is None:
            self.unwell_since = None
        elif isinstance(error, _UNWELL):
            self.unwell_since = time.monotonic()

    @property
    def is_well(self) -> bool:
        """Whether it has not failed lately."""
        return self.unwell_since is None or time.monotonic() - self.unwell_since >= UNWELL_S


class Hosts:
    """The servers, in the order of the setting."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.all = list(hosts)
        self._turn = 0

    def having(self, model: str) -> list[Host]:
        """Those that have the model, as far as is known; where none is known to, all."""
        return [host for host in self.all if host.models is None or model in host.models] or self.all

    def in_order(self, model: str) -> list[Host]:
        """Those that have the model, the one first that is to be asked now. Of equals each has its turn."""
        if len(self.all) == 1:
            return self.all
        self._turn += 1
        having = self.having(model)
        turned = having[self._turn % len(having) :] + having[: self._turn % len(having)]
        well = sorted((host for host in turned if host.is_well), key=lambda host: host.answering)
        unwell = sorted((host for host in turned if not host.is_well), key=lambda host: host.unwell_since or 0.0)
        return well + unwell


def named(provider: str, base_urls: Sequence[str]) -> list[tuple[str, str]]:
    """Each address once, with the name of its server: the provider's where it is the only one."""
    urls = list(dict.fromkeys(base_urls))
    if len(urls) == 1:
        return [(urls[0], provider)]
    return [(url, f"{provider}{HOST_OF}{_place(urlsplit(url))}") for url in urls]


def _place(url: SplitResult) -> str:
    """Where it is, without the password that an address may have: names go into logs, and to Redis."""
    return f"{url.hostname}{f':{url.port}' if url.port else ''}{url.path.rstrip('/')}"
