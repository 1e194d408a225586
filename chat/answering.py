"""One run at work: asks the language model, hands its answer to the journal, and keeps what was written.

The run owns itself: readers come and go, and only `stop`, `interrupt` or its end finish it. Whatever the end, the text
so far is saved before the readers hear of it. When MongoDB is away the answer goes on, and is saved when it is back.
"""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from chat import chunks, store
from chat.answer import Answer
from chat.asking import LEASE_S
from chat.chunks import Chunk
from chat.errors import AnswerInterrupted
from chat.generation import Generation
from chat.journal import Journal
from chat.run_telemetry import RunTelemetry, count_end
from chat.titling import TitleWish
from chat.types import Message, MessageStatus, Run, RunStatus
from chat.usage import usage_told
from eloquent.foundation.clock import now
from eloquent.foundation.errors import EloquentError
from inference.billing.bill import Bill
from inference.billing.types import Purpose
from inference.errors import AnswerCutOff
from inference.types import Event, Finished, FinishReason, ModelChanged, NextStep, Status, Usage

log = structlog.get_logger(__name__)

HELD_BACK_S: Final = 0.025
HELD_BACK_CHARS: Final = 4096
KEEP_EVERY_S: Final = 2.0
# Runs save at the beats of one clock, so that their writes go together.
_BEATS: Final = 8
RENEWED_WITH_LEFT_S: Final = 7.0
LONGEST_ANSWER_CHARS: Final = 1_000_000
# How long readers wait for the last save before they are told the end. The saving itself goes on until it is done.
TOLD_AFTER_S: Final = 2.0
_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 5.0

_TRUNCATED: Final = "The language model's server left out a part of this conversation."

_MESSAGE_STATUS: Final = {
    RunStatus.COMPLETE: MessageStatus.COMPLETE,
    RunStatus.STOPPED: MessageStatus.STOPPED,
    RunStatus.FAILED: MessageStatus.FAILED,
    RunStatus.INTERRUPTED: MessageStatus.INTERRUPTED,
}


def _until_next_keeping_s(at: float) -> float:
    """How long from the loop's time `at` until the last beat within `KEEP_EVERY_S`."""
    beat_s = KEEP_EVERY_S / _BEATS
    return (at + KEEP_EVERY_S) // beat_s * beat_s - at


class Answering:
    """A run at work. Make it, then `begin` it once; `finished` completes when everything is saved."""

    def __init__(
        self,
        run: Run,
        message: Message,
        *,
        generation: Generation,
        journal: Journal,
        title: str | None = None,
        title_wish: TitleWish | None = None,
    ) -> None:
        self.run = run
        self.message = message
        self.bill = Bill(run.user_id, run.id, Purpose.ANSWER, answer_id=message.id, step=message.calls)
        self.title_wish = title_wish
        self._telemetry = RunTelemetry()
        self._generation = generation
        self._journal = journal
        self._title = title
        self._answer = Answer(message.parts)
        self._position = run.begins_at
        self._flush_later: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._ending = RunStatus.INTERRUPTED
        self._relay: asyncio.Task[Finished] | None = None
        self.finished: asyncio.Task[None] | None = None

    async def reserve(self) -> None:
        """Hold what the answer may cost, before anything is written.

        Raises:
            BudgetSpent: there is not enough left for it.
            ModelBusy: the queue of its model is full, and no other model would answer.
        """
        await self._generation.reserve(self.bill)

    def begin(self) -> None:
        """Open the log and start to work."""
        self.run = replace(self.run, started_at=now())
        self._journal.open(self.run.id, head=self._position)
        self._open_message()
        with self._telemetry.begun(self.run):
            self._relay = asyncio.create_task(self._relay_answer(), name=f"relay {self.run.id}")
            self.finished = asyncio.create_task(self._work(self._relay), name=f"run {self.run.id}")
        self.finished.add_done_callback(self._telemetry.over)

    def request_stop(self) -> None:
        """End the answer here, as the user wishes: the connection to the model is closed."""
        if self._relay is not None and not self._relay.done():
            self._ending = RunStatus.STOPPED
            self._relay.cancel()

    async def stop(self) -> None:
        """See `request_stop`. Returns when the answer is saved."""
        await self._end(RunStatus.STOPPED)

    async def interrupt(self) -> None:
        """End the answer because the process must go. Returns when it is saved."""
        await self._end(RunStatus.INTERRUPTED)

    async def abandon(self) -> None:
        """End without a word: the run could not be shown. What a crash would leave of it is left to the reaper."""
        self._journal.disown(self.run.id)
        working = [task for task in (self._relay, self.finished) if task is not None]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        self.bill.close()

    async def _end(self, ending: RunStatus) -> None:
        if self._relay is not None and self.finished is not None:
            if not self._relay.done():
                self._ending = ending
                self._relay.cancel()
            # Shielded: whoever asked for the end may leave before it is saved.
            await asyncio.shield(self.finished)

    async def _work(self, relay: "asyncio.Task[Finished]") -> None:
        loop = asyncio.get_running_loop()
        try:
            while not relay.done():
                await asyncio.wait({relay}, timeout=_until_next_keeping_s(loop.time()))
                if not relay.done() and not await self._keep_progress():
                    relay.cancel()  # deleted, or taken for lost: what is written from here on is nobody's
            await self._settle(relay)
        finally:
            relay.cancel()  # done already, unless the saving broke
            self._journal.close(self.run.id)  # whatever happens, no reader waits for ever

    def _open_message(self) -> None:
        metadata = {
            "runId": str(self.run.id),
            "conversationId": str(self.run.conversation_id),
            "userMessageId": str(self.run.user_message_id),
            "model": self._generation.model.id,
        }
        goes_on = self._generation.before is not None
        # Who reads on from where it waited has the message; who reads it anew is given what was saved first.
        self._answer.add(chunks.metadata(metadata) if goes_on else chunks.start(self.run.message_id, metadata))
        if self._title:
            self._answer.add(chunks.data("title", {"title": self._title}, transient=True))
        self._answer.add(chunks.context(self._generation.prompt.told()))
        for warning in self.bill.warnings:
            self._answer.add(chunks.notice("budget_warning", warning))
        if not goes_on:
            self._answer.add(chunks.START_STEP)
        self._flush()

    async def _relay_answer(self) -> Finished:
        finished: Finished | None = None
        async with aclosing(self._generation.events(self.bill)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    finished = event
                    continue
                self._answer.feed(event)
                if isinstance(event, ModelChanged):
                    self._change_model(event)
                elif isinstance(event, NextStep):
                    # Saved at once, with the call that is over: whoever takes up a lost run must not charge it again.
                    await self.bill.settled()
                    await self._keep_progress()
                else:
                    self._let_out(event)
                if self._answer.chars > LONGEST_ANSWER_CHARS:
                    return Finished(FinishReason.LENGTH, Usage())
        if finished is None:
            raise AnswerCutOff(self._generation.model.name)
        return finished

    def _let_out(self, event: Event) -> None:
        """Send what was fed, now or soon: words that come together go together."""
        loop = asyncio.get_running_loop()
        if isinstance(event, Status):
            self._set_status(RunStatus.LOADING if event.state == "loading" else RunStatus.QUEUED)
            self._flush()
        elif self.run.first_token_at is None:
            # The first words are never held back.
            self.run = replace(self.run, status=RunStatus.STREAMING, first_token_at=now())
            self._telemetry.first_token()
            self._flush()
        elif self._answer.held_chars >= HELD_BACK_CHARS or loop.time() - self._flushed_at >= HELD_BACK_S:
            # The last words went out long enough ago. Sending now, while we are awake, spares a timer's waking.
            self._flush()
        elif self._flush_later is None:
            self._flush_later = loop.call_later(HELD_BACK_S, self._flush)

    def _change_model(self, event: ModelChanged) -> None:
        provider = event.model_id.partition("/")[0]
        self.run = replace(self.run, model=event.model_id, provider=provider)
        self.message = replace(self.message, model=event.model_id)

    def _set_status(self, status: RunStatus) -> None:
        if self.run.status is not status and self.run.first_token_at is None:
            self.run = replace(self.run, status=status)

    def _flush(self) -> None:
        if self._flush_later is not None:
            self._flush_later.cancel()
            self._flush_later = None
        ready = self._answer.take()
        if ready:
            self._flushed_at = asyncio.get_running_loop().time()
            self._position = self._journal.append(self.run.id, ready)

    def _written(self, status: MessageStatus, **changes: Any) -> Message:
        return replace(
            self.message,
            parts=self._answer.parts(),
            status=status,
            position=self._position,
            calls=self.bill.step,
            **changes,
        )

    async def _keep_progress(self) -> bool:
        """Save the text so far and renew the lease. False when the run is not ours any more: deleted or reaped."""
        self._flush()  # the position saved must cover just the text saved
        so_far = self._written(MessageStatus.STREAMING)
        try:
            if not await store.keep_progress(so_far):
                return False
            self._journal.trim(self.run.id, before=so_far.position)
            if self.run.lease_expires_at - now() > timedelta(seconds=RENEWED_WITH_LEFT_S):
                return True
            self.run = replace(self.run, lease_expires_at=now() + timedelta(seconds=LEASE_S))
            if await store.renew_lease(self.run):
                return True
            stored = await store.find_run(self.run.user_id, self.run.id)
        except PyMongoError as error:
            log.warning("progress not saved", error=type(error).__name__)
            return True
        is_ours = stored is not None and stored.active and stored.worker == self.run.worker
        if is_ours:
            self.request_stop()  # that is what the lease was not renewed for: the word of it was lost
        return is_ours

    async def _settle(self, relay: "asyncio.Task[Finished]") -> None:
        self.bill.close()
        self._flush()
        self._answer.close()
        status, last, usage, problem = self._outcome(relay)
        waits = status is RunStatus.COMPLETE and self._answer.waits
        unsent = self._answer.take()
        ending = [*unsent, *last]
        self._position += len(ending)
        self.run = replace(
            self.run, status=status, active=False, usage=self._own(usage), error=problem, finished_at=now()
        )
        self._telemetry.ended(self.run)
        message = self._written(
            _MESSAGE_STATUS[status],
            text=self._answer.text(),
            usage=usage,
            error=problem,
            resumption=self._generation.resumption if waits else None,
        )
        saving = asyncio.create_task(self._save(message))
        await asyncio.wait({saving}, timeout=TOLD_AFTER_S)
        if saving.done() and saving.exception() is not None:
            # A fault of ours. The reaper saves what was kept on the way, so nobody is told that all of it is there.
            ending = [*unsent, *chunks.failed(AnswerInterrupted().detail)]
        self._journal.append(self.run.id, ending)
        self._journal.close(self.run.id)
        await saving

    def _outcome(
        self, relay: "asyncio.Task[Finished]"
    ) -> tuple[RunStatus, list[Chunk], dict[str, Any] | None, dict[str, Any] | None]:
        """How it ended: the status, the last chunks, the usage and the problem, both None when there are none."""
        if relay.cancelled():
            if self._ending is RunStatus.STOPPED:
                return RunStatus.STOPPED, [chunks.FINISH_STEP, chunks.ABORT], self._usage, None
            return RunStatus.INTERRUPTED, *self._failed(AnswerInterrupted())
        failure = relay.exception()
        if failure is not None:
            expected = failure if isinstance(failure, EloquentError) else EloquentError()
            log.warning("run failed", code=expected.code, exc_info=failure)
            return RunStatus.FAILED, *self._failed(expected)
        finished = relay.result()
        usage = {**(self._usage or {}), "finishReason": finished.reason.value}
        metadata = {"runId": str(self.run.id), "model": self.run.model, "usage": usage}
        last = [*self._notices(finished.usage), chunks.FINISH_STEP, chunks.finish(finished.reason.value, metadata)]
        return RunStatus.COMPLETE, last, usage, None

    def _notices(self, usage: Usage) -> list[Chunk]:
        if not self._generation.prompt.was_truncated(usage.input_tokens):
            return []
        log.warning("prompt truncated by the provider", model=self.run.model)
        self.message = replace(self.message, context={**self._generation.prompt.told(), "truncated_by_provider": True})
        return [chunks.notice("truncated_by_provider", _TRUNCATED)]

    def _failed(self, error: EloquentError) -> tuple[list[Chunk], dict[str, Any] | None, dict[str, Any]]:
        problem = {"code": error.code, "detail": error.detail}
        return chunks.failed(error.detail), self._usage, problem

    @property
    def _usage(self) -> dict[str, Any] | None:
        """What the whole answer cost, with what came before where it goes on."""
        before = self._generation.before
        return usage_told([*(before.lines if before else ()), *self.bill.lines])

    def _own(self, usage: dict[str, Any] | None) -> dict[str, Any] | None:
        """This run's share of the answer's usage."""
        if usage is None or self._generation.before is None:
            return usage
        reason = {name: value for name, value in usage.items() if name == "finishReason"}
        return {**(usage_told(self.bill.lines) or {}), **reason} or None

    async def _save(self, message: Message) -> None:
        """Save how it ended, however long the database is away or refuses: only here is the answer whole."""
        # Its lines first: what is at rest is never charged afterwards, not even by the reaper.
        await self.bill.settled()
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                await store.keep_rest(self.run, message, kept=partial(count_end, self.run.status))
            except PyMongoError as error:
                log.warning("answer not saved yet", error=type(error).__name__)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _RETRY_MOST_S)
            else:
                return
