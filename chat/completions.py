"""Completions: answers that belong to one request. Nothing is stored, and nobody can come back to one.

As with runs, the first words are passed on at once and later ones held back for at most 25 ms, so that many tokens
cost one event. Unlike a run, a completion ends with its reader: the connection to the model is closed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import groupby
from time import perf_counter
from typing import Final, TypeAlias, cast

import msgspec
import structlog
from bson import ObjectId

from accounts.admitted import Leaving
from accounts.errors import ApiKeyRefused
from chat.answering import HELD_BACK_CHARS, HELD_BACK_S, LONGEST_ANSWER_CHARS
from chat.attachments.errors import ModelCannotSee
from chat.context import surely_truncated, tokens_of
from chat.errors import AnswerInterrupted, BadCompletionRequest, Draining, TooManyCompletions
from eloquent.foundation import lifecycle
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.ids import UserId
from eloquent.foundation.telemetry import metrics
from inference.billing.bill import Bill, prompt_tokens
from inference.billing.types import Purpose
from inference.catalog import provider_of
from inference.errors import AnswerCutOff, PromptTooLong
from inference.offers import OfferedModel
from inference.router import answer as ask
from inference.types import Finished, FinishReason, PromptRequest, ReasoningDelta, TextDelta, ToolCall, Usage

log = structlog.get_logger(__name__)

MOST_AT_ONCE_OF_A_USER: Final = 16

Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCall

_at_work: "set[Completion]" = set()


class Completion:
    """One answer being written. Made by `begin_completion`; whoever made it closes it.

    Most servers count the prompt and refuse one that does not fit. A `careless` one may leave out what does not fit and
    tell nobody: there its own count is looked at when it comes, and an answer to half of the prompt is a failure.
    """

    def __init__(self, owner: UserId, model: OfferedModel, request: PromptRequest, *, careless: bool) -> None:
        self.owner = owner
        self.model = model
        self.request = request
        self.begun = False
        self.finished: Finished | None = None
        self._bill = Bill(owner, ObjectId(), Purpose.COMPLETION)
        self._careless = careless
        self._failure: EloquentError | None = None
        self._held: list[Delta] = []
        self._held_chars = 0
        self._chars = 0
        self._taken_at = 0.0
        self._wake_later: asyncio.TimerHandle | None = None
        self._awake = asyncio.Event()
        self._made_at = perf_counter()
        metrics.streams_in_flight.value += 1
        self.writing = asyncio.create_task(self._write(), name="completion")
        self.writing.add_done_callback(self._written)

    async def until_begun(self, within_s: float) -> None:
        """Return when there is something to read, or after `within_s` seconds.

        Raises:
            EloquentError: the answer has failed before its first word.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._awake.wait()
        except TimeoutError:
            return
        if self._failure is not None and not self._held:
            raise self._failure

    async def deltas(self, *, silence_s: float | None) -> AsyncIterator[list[Delta]]:
        """What is written, as it comes, merged; an empty list after every `silence_s` without a word. Ends when whole.

        Raises:
            EloquentError: it has failed, after all that came before.
        """
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    await self._awake.wait()
            except TimeoutError:
                yield []
                continue
            if self._held:
                yield self._take()
            elif self.finished is not None:
                return
            elif self._failure is not None:
                raise self._failure

    async def aclose(self) -> None:
        """End the answer if it is not whole; return when the connection to the model is closed."""
        self.abandon()
        if self.finished is None:
            await asyncio.wait([self.writing])

    def abandon(self) -> None:
        """As `aclose`, for those who cannot wait."""
        if self.finished is None:
            self.writing.cancel()

    def interrupt(self) -> None:
        """End the answer because the process must go; its reader is told."""
        if self.finished is None and self._failure is None:
            self._failure = AnswerInterrupted()
        self.writing.cancel()

    async def refuse(self, _why: Leaving) -> None:
        """End the answer because its key was revoked, or the key's owner deactivated; its reader is told."""
        if self.finished is None and self._failure is None:
            self._failure = ApiKeyRefused()
        self.abandon()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        async with aclosing(ask(self.model, self.request, bill=self._bill, restarts=False)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    read = event.usage.input_tokens
                    if self._careless and read is not None and surely_truncated(self.request.messages, read):
                        raise PromptTooLong(self.model.name)
                    # The reader need not wait for what follows: the connection is read to its end, to be used again.
                    self.finished = event
                    self._wake()
                elif isinstance(event, Delta):
                    delta = _named(event)
                    self._held.append(delta)
                    self._held_chars += len(written_in(delta))
                    self._chars += len(written_in(delta))
                    if self._chars > LONGEST_ANSWER_CHARS:
                        self.finished = Finished(FinishReason.LENGTH, Usage())
                        return
                    if (
                        not self.begun
                        or self._held_chars >= HELD_BACK_CHARS
                        or loop.time() - self._taken_at >= HELD_BACK_S
                    ):
                        self._wake()
                    elif self._wake_later is None:
                        self._wake_later = loop.call_later(HELD_BACK_S, self._wake)

    def _wake(self) -> None:
        if not self.begun:
            self.begun = True
            if self._held:
                metrics.time_to_first_token.observe((perf_counter() - self._made_at) * 1000)
        if self._wake_later is not None:
            self._wake_later.cancel()
            self._wake_later = None
        self._awake.set()

    def _take(self) -> list[Delta]:
        taken, self._held, self._held_chars = _merged(self._held), [], 0
        self._taken_at = asyncio.get_running_loop().time()
        if self.finished is None and self._failure is None:
            self._awake.clear()
        return taken

    def _written(self, writing: "asyncio.Task[None]") -> None:
        _at_work.discard(self)
        metrics.streams_in_flight.value -= 1
        self._bill.close()
        error = AnswerInterrupted() if writing.cancelled() else writing.exception()
        if error is not None and not isinstance(error, EloquentError):
            log.error("completion broke", exc_info=error)
            error = EloquentError()
        if self.finished is None and self._failure is None:
            self._failure = error or AnswerCutOff(self.model.name)
        self._wake()


def written_in(delta: Delta) -> str:
    """What the model wrote of it."""
    return delta.name + delta.arguments if isinstance(delta, ToolCall) else delta.text


def _named(delta: Delta) -> Delta:
    """The same; a call that its server gave no id has one, by which its result can name it."""
    if isinstance(delta, ToolCall) and not delta.id:
        return msgspec.structs.replace(delta, id=f"call_{ObjectId()}")
    return delta


def _merged(deltas: list[Delta]) -> list[Delta]:
    """The same with neighbours of a kind as one; every call stays one of its own."""
    merged: list[Delta] = []
    for kind, run in groupby(deltas, type):
        if kind is ToolCall:
            merged += run
        else:
            text = "".join(cast(TextDelta, delta).text for delta in run)
            merged.append(ReasoningDelta(text) if kind is ReasoningDelta else TextDelta(text))
    return merged


def begin_completion(owner: UserId, model: OfferedModel, request: PromptRequest) -> Completion:
    """Have an answer written for one reader.

    Raises:
        Draining: the process is on its way out.
        TooManyCompletions: the owner has as many at once as one may.
        PromptTooLong: the messages do not fit the model's window.
        BadCompletionRequest: tools are offered, and the model calls none.
        ModelCannotSee: there are pictures, and the model has no eyes.
    """
    if lifecycle.is_draining():
        raise Draining(retry_after_s=5)
    # One that is whole may still be tidying up its connection. It is over for its reader.
    if sum(each.owner == owner and each.finished is None for each in _at_work) >= MOST_AT_ONCE_OF_A_USER:
        raise TooManyCompletions(retry_after_s=1)
    if request.tools and not model.may_call_tools:
        raise BadCompletionRequest(
            f"{model.shown_name} cannot call tools. Choose a model that can, or send the request without them.",
            param="tools",
            reason="model_cannot_call_tools",
        )
    if not model.sees and any(message.images for message in request.messages):
        raise ModelCannotSee(model.shown_name)
    careless = not provider_of(model).refuses_overflow
    if careless and max(tokens_of(request.messages), prompt_tokens(request)) >= model.context_window:
        raise PromptTooLong(model.name)
    completion = Completion(owner, model, request, careless=careless)
    _at_work.add(completion)
    return completion


async def drain(within_s: float) -> None:
    """Let the completions at work finish, and interrupt those that do not in time."""
    writing = [completion.writing for completion in _at_work]
    if writing:
        await asyncio.wait(writing, timeout=within_s)
    for completion in list(_at_work):
        completion.interrupt()
    await asyncio.gather(*writing, return_exceptions=True)
