"""Several Ollama servers behind one name: who is asked next, and a load that outlives the one who began it.

A question goes to the server with the fewest answers under way of those that have the model and are well. One that
could not be reached, or failed, is passed over for `UNWELL_S`; when all are unwell, it is the one that has rested
longest.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import httpx

from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelUnreachable
from inference.providers.base import ProviderModel
from inference.providers.server import Server, close
from inference.types import Event

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
    """One server, and what is known of it."""

    def __init__(self, base_url: str) -> None:
        self.server = Server(base_url)
        self.loads = Loads()
        self.answering = 0
        self.models: frozenset[str] | None = None
        """The models it listed last; None when it never did."""
        self.embedders: tuple[ProviderModel, ...] = ()
        """Those of them that make vectors."""
        self.unwell_since: float | None = None

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

    def __init__(self, base_urls: Sequence[str]) -> None:
        self.all = [Host(base_url) for base_url in base_urls]
        self._turn = 0

    def choose(self, model: str) -> Host:
        """The server to ask now. Of equals each has its turn."""
        self._turn += 1
        having = [host for host in self.all if host.models is None or model in host.models] or self.all
        well = [host for host in having if host.is_well]
        if not well:
            return min(having, key=lambda host: host.unwell_since or 0.0)
        turned = well[self._turn % len(well) :] + well[: self._turn % len(well)]
        return min(turned, key=lambda host: host.answering)

    async def answer(
        self, model: str, ask: Callable[[Host], AsyncGenerator[Event, None]]
    ) -> AsyncGenerator[Event, None]:
        """The events of one of them, and a note of how it did."""
        host = self.choose(model)
        host.answering += 1
        try:
            async with aclosing(ask(host)) as events:
                async for event in events:
                    yield event
            host.noted(None)
        except InferenceError as error:
            host.noted(error)
            raise
        finally:
            host.answering -= 1
