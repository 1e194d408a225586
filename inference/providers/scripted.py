"""A language model that says what it is told, when it is told: for tests, and for work on the page without a model."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeAlias

import msgspec

from inference.errors import AnswerCutOff
from inference.providers.base import ProviderModel
from inference.types import Event, Finished, FinishReason, PromptRequest, TextDelta, Usage

Step: TypeAlias = Event | str | asyncio.Event | Callable[[], Awaitable[object]] | BaseException
"""An event to yield, text (a TextDelta), a gate to wait for, a function whose result is awaited, an error to raise."""


def saying(*texts: str, usage: Usage | None = None) -> list[Step]:
    """The script of a whole answer: these deltas, then `Finished(stop)`, by default with one output token a text."""
    reported = usage or Usage(input_tokens=1, output_tokens=len(texts), reported=True)
    return [*texts, Finished(FinishReason.STOP, reported)]


class Scripted:
    """Plays one script for every answer, or the script that a function makes of the request.

    A script that ends without `Finished` is an answer cut off, as with any other provider.
    """

    def __init__(
        self,
        script: Iterable[Step] | Callable[[PromptRequest], Iterable[Step]] = (),
        *,
        name: str = "scripted",
        refuses_overflow: bool = True,
        models: tuple[ProviderModel, ...] = (ProviderModel("scripted", 8192),),
    ) -> None:
        self.name = name
        self.refuses_overflow = refuses_overflow
        self._script = script if callable(script) else list(script)
        self._models = models
        self.requests: list[PromptRequest] = []
        """Every request so far, oldest first."""
        self.answering = 0
        """Answers begun and not yet over."""
        self._changed = asyncio.Condition()

    async def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """Each step in turn: an error is raised, an event waited for, anything else handed out."""
        steps = self._script(request) if callable(self._script) else self._script
        self.requests.append(request)
        self.answering += 1
        await self._announce()
        try:
            finished = False
            for step in steps:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, str):
                    yield TextDelta(step)
                elif isinstance(step, msgspec.Struct):
                    yield step
                    finished = isinstance(step, Finished)
                else:
                    await step()
            if not finished:
                raise AnswerCutOff(request.model)
        finally:
            self.answering -= 1
            await self._announce()

    async def models(self) -> list[ProviderModel]:
        """The models it was made with."""
        return list(self._models)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def until(self, begun: int) -> None:
        """Wait until `begun` answers have been asked for in all."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= begun)

    async def until_idle(self) -> None:
        """Wait until no answer is running: each has ended, failed or been closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.answering == 0)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()
