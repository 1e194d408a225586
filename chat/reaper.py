"""Brings runs to rest whose worker was lost: their lease is over and nobody renews it."""

import asyncio
from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson
import structlog
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from chat import chunks, notices, store
from chat.asking import LEASE_S
from chat.assembly import Assembled, Ending, assembled
from chat.chunks import Chunk
from chat.errors import AnswerInterrupted
from chat.journal import Journal, NotInJournal
from chat.parts import calls_that_wait, parts_by_step, plain_text, words_of
from chat.run_telemetry import count_end
from chat.types import Message, MessageStatus, Run, RunStatus
from chat.usage import usage_told
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.ids import RunId
from inference.billing.bill import Bill, Call, charge_lost, lines_of_answer
from inference.billing.types import Outcome, Purpose, UsageLine
from inference.catalog import model_named
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.tokens import estimated_tokens
from inference.types import PromptRequest, Usage

log = structlog.get_logger(__name__)

REAP_EVERY_S: Final = 2.0
# A database that takes longer for an answer was away. A lease is renewed while it has longer left than this.
AWAY_AFTER_S: Final = 2.0


class Patience:
    """Whether a lease that ran out means a lost worker: not when the database was away, since nobody could renew it.

    The workers have a lease's time to do it, from when the database answers again. The same after our own start, since
    we do not know what was before. Times are the event loop's, in seconds.
    """

    def __init__(self) -> None:
        self._was_away = True
        self._over_at = 0.0

    def no_answer(self) -> None:
        """The database was asked in vain."""
        self._was_away = True

    def answer(self, *, asked_at: float, at: float) -> None:
        """It answered at `at`. One that only hung gives no error, and may answer us before it takes a renewal."""
        if self._was_away or at - asked_at > AWAY_AFTER_S:
            self._over_at = at + LEASE_S
        self._was_away = False

    def is_over(self, at: float) -> bool:
        """Whether whoever has not renewed by `at` is lost."""
        return not self._was_away and at >= self._over_at


class Reaper:
    """One process's reaper. `at_work` are its own runs, which are never lost, whatever their lease says."""

    def __init__(self, journal: Journal, at_work: Container[RunId]) -> None:
        self._journal = journal
        self._at_work = at_work

    async def run(self) -> None:
        """Look for lost runs every few seconds until cancelled."""
        loop = asyncio.get_running_loop()
        patience = Patience()
        while True:
            asked_at = loop.time()
            try:
                lost = await store.expired_runs(now())
                patience.answer(asked_at=asked_at, at=loop.time())
                if lost and patience.is_over(loop.time()):
                    await self._reap(lost)
            except PyMongoError as error:
                log.warning("reaper waits for the database", error=type(error).__name__)
                patience.no_answer()
            except Exception:
                log.exception("reaper goes on")  # whatever it met: without a reaper no lost answer comes to rest
            await asyncio.sleep(REAP_EVERY_S)

    async def reap(self) -> None:
        """Bring every lost run to rest once."""
        await self._reap(await store.expired_runs(now()))

    async def _reap(self, lost: list[Run]) -> None:
        for run in lost:
            if run.id in self._at_work:
                continue
            lease_expires_at = now() + timedelta(seconds=LEASE_S)
            claimed = await store.claim_expired_run(
                run, worker=lifecycle.worker_id(), lease_expires_at=lease_expires_at
            )
            if claimed is None:
                continue
            try:
                await self._bring_to_rest(claimed)
            except PyMongoError:
                raise  # so it is with the others
            except Exception:
                # One that cannot be understood must not keep the others, nor this reaper, from their work.
                log.exception("lost run not brought to rest", run_id=str(run.id))

    async def _bring_to_rest(self, run: Run) -> None:
        message = await store.message_of_run(run)
        if message is not None and message.run_id != run.id:
            message = await store.fence_answer(run)
        if message is None:
            await store.forget_run(run)  # the crash came before the answer was written: nothing was ever shown
            return
        if message.run_id != run.id:
            await _let_go(run, message)
            return
        await store.show_lost_run(run)
        last: list[Chunk] | None = None
        if message.status is MessageStatus.STREAMING:
            message, last = await self._ended(run, message)
            # At once: what its worker, if it was only late, writes from here on is nobody's.
            if await store.keep_answer(message):
                count_end(RunStatus(message.status.value))
            else:
                # Its worker was only late, and has saved the answer in this moment: so it is, and who reads resumes.
                message, last = await store.message_of_run(run) or message, None
                self._journal.disown(run.id)
        rested = replace(
            run,
            status=RunStatus(message.status.value),
            active=False,
            usage=message.usage if not run.begins_at else usage_told(await _own_lines(run, message)),
            error=message.error,
            finished_at=now(),
        )
        await store.keep_run(rested)
        if last is not None:
            # Whoever still reads hears of the end now that it is saved.
            self._journal.append(run.id, last)
            self._journal.close(run.id)
        if message.usage is None:
            # Nobody has charged it: its worker tells the usage with the end. Last of all, because until the log is
            # closed a worker that was only late may write on, and readers would be shown what is not kept.
            await store.keep_usage(*await _charged(run, message))
        notices.tell_finished(rested)
        log.info("lost run brought to rest", run_id=str(run.id), status=message.status.value)

    async def _ended(self, run: Run, message: Message) -> tuple[Message, list[Chunk] | None]:
        """The message with all that its readers were shown, and the chunks that end its stream.

        None when the log is out of reach: then its readers are given the saved message when they resume.
        """
        held: Sequence[Chunk] | None = None
        try:
            held = await self._journal.adopt(run.id, position=message.position)
        except NotInJournal:
            log.warning("a lost run's log cannot be read: what was saved is kept", run_id=str(run.id))
        said = assembled(message.parts, held or ())
        ending, last = _ending_of(run, said)
        if not message.position and not held:
            # Not a word of it had left its worker: its stream has yet to begin.
            last = [*_beginning_of(run), *last]
        waits = ending.status is MessageStatus.COMPLETE and bool(calls_that_wait(said.parts))
        message = replace(
            message,
            resumption=message.resumption if waits else None,
            parts=said.parts,
            text=plain_text(said.parts),
            position=message.position + len(held or ()) + len(last),
            status=ending.status,
            usage=ending.usage,
            error=_problem(ending),
        )
        return message, None if held is None else last


async def _let_go(run: Run, message: Message) -> None:
    """Bring a run's record to rest whose answer is another run's: it goes on there, or was never taken up here."""
    if own := await _own_lines(run, message):
        usage = usage_told(own)
        await store.keep_run(replace(run, status=RunStatus.COMPLETE, active=False, usage=usage, finished_at=now()))
    else:
        await store.forget_record(run)


async def _own_lines(run: Run, message: Message) -> list[UsageLine]:
    return [line for line in await lines_of_answer(message.id, message.calls) if line.run_id == run.id]


async def _charged(run: Run, message: Message) -> tuple[Run, Message]:
    """Both with what their calls cost, the one that the worker was at being charged unless that worker did.

    What was written since that call began is counted here, and so is what was asked: nobody else knows any more. When
    not a word had come, nothing is charged: whether the model was asked at all is not known.
    """
    over = [line for line in await lines_of_answer(message.id, message.calls) if line.outcome is Outcome.COMPLETE]
    before, latest = parts_by_step(message.parts)
    # Each call that ended whole and was not the last has a next step behind it. Without that, its tools were at work.
    steps_begun = sum(part["type"] == "step-start" for part in message.parts)
    if latest and steps_begun >= len(over):
        bill = Bill(run.user_id, run.id, Purpose.ANSWER, answer_id=message.id, step=message.calls)
        await charge_lost(bill, await _lost_call(run, message, before, latest))
    lines = await lines_of_answer(message.id, message.calls + 1)
    own = [line for line in lines if line.run_id == run.id]
    return replace(run, usage=usage_told(own)), replace(message, calls=len(lines), usage=usage_told(lines))


async def _lost_call(
    run: Run, message: Message, before: Sequence[dict[str, Any]], latest: Sequence[dict[str, Any]]
) -> Call:
    try:
        model = await model_named(run.model)
    except InferenceError:
        model = OfferedModel(run.model, run.model.partition("/")[2], run.provider, False, 0)  # without a price
    shown = (message.context or {}).get("used") or 0
    shown += estimated_tokens(orjson.dumps(before).decode()) if before else 0
    return Call(model, PromptRequest(run.model, ()), Usage(input_tokens=shown), words_of(latest), Outcome.LOST)


def _beginning_of(run: Run) -> list[Chunk]:
    metadata = {
        "runId": str(run.id),
        "conversationId": str(run.conversation_id),
        "userMessageId": str(run.user_message_id),
        "model": run.model,
    }
    return [chunks.start(run.message_id, metadata), chunks.START_STEP]


def _ending_of(run: Run, said: Assembled) -> tuple[Ending, list[Chunk]]:
    """How the answer ended, and the chunks that say so if they were not said yet."""
    if said.ending is not None:
        # Its worker said so itself when it could not save the answer, and as a chunk that is an error like others.
        was_interrupted = said.ending.sentence == AnswerInterrupted().detail
        return Ending(MessageStatus.INTERRUPTED) if was_interrupted else said.ending, []
    last = [chunks.FINISH_STEP]
    if said.open_part is not None:
        kind = said.open_part.partition("-")[0]
        last.insert(0, chunks.part_end(kind, said.open_part))
    if run.stop_requested_at is not None:
        return Ending(MessageStatus.STOPPED), [*last, chunks.ABORT]
    return Ending(MessageStatus.INTERRUPTED), [*last, chunks.error(AnswerInterrupted().detail)]


def _problem(ending: Ending) -> dict[str, str] | None:
    if ending.status is MessageStatus.INTERRUPTED:
        return {"code": AnswerInterrupted.code, "detail": AnswerInterrupted().detail}
    if ending.status is MessageStatus.FAILED:
        return {"code": "error", "detail": ending.sentence or ""}
    return None
