"""The runs at work in this process, from their beginning to their rest, and the journal that they write."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from chat import notices, store, titling
from chat.answering import Answering
from chat.asking import with_fresh_lease
from chat.attachments import sweep
from chat.errors import BranchIsBusy, ConversationWentOn, Draining, JournalAway, NothingToApprove, TooManyRuns
from chat.imports import job
from chat.inbox import Inbox
from chat.journal import Journal, MemoryJournal, SharedJournal
from chat.reaper import Reaper
from chat.retention import sweeping
from chat.types import Message, Run
from eloquent.foundation import lifecycle
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import EloquentError, NotFound
from eloquent.foundation.ids import RunId, UserId
from eloquent.foundation.redis import redis_client
from eloquent.foundation.streams import StreamReader
from eloquent.foundation.tasks import end_task
from inference.billing.overdue import look_after_holds

log = structlog.get_logger(__name__)

MOST_RUNS_OF_A_USER: Final = 16
# A stop that comes while the run is only being begun is remembered for so long.
_EARLY_STOP_S: Final = 30.0

_at_work: dict[RunId, Answering] = {}
# Runs that are being written and shown, and are not to be forgotten.
_beginning: dict[asyncio.Task[None], Run] = {}
_stopped_early: dict[RunId, float] = {}
# A server process has one event loop; a test process may have a server in each of several.
_journals: WeakKeyDictionary[asyncio.AbstractEventLoop, Journal] = WeakKeyDictionary()
_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Task[None]]] = WeakKeyDictionary()


def journal() -> Journal:
    """The journal of the running event loop: shared through Redis when there is one."""
    loop = asyncio.get_running_loop()
    journal = _journals.get(loop)
    if journal is None:
        journal = _journals[loop] = MemoryJournal()
    return journal


def at_work(run_id: RunId) -> Answering | None:
    """The run, if it is at work in this process."""
    return _at_work.get(run_id)


def require_room(owner: UserId) -> None:
    """Return when the owner may begin another answer here and now.

    Raises:
        Draining: this process is shutting down.
        JournalAway: Redis is away, so an answer could be read in this process alone.
        TooManyRuns: the owner has enough of them.
    """
    if lifecycle.is_draining():
        raise Draining(retry_after_s=5)
    if not journal().takes_runs:
        raise JournalAway(retry_after_s=2)
    runs = [*(answering.run for answering in _at_work.values()), *_beginning.values()]
    if len({run.id for run in runs if run.user_id == owner}) >= MOST_RUNS_OF_A_USER:
        raise TooManyRuns(retry_after_s=5)


async def begin(
    answering: Answering, messages: Sequence[Message], title: str | None = None, *, after: RunId | None = None
) -> None:
    """Write the run and set it to work, even when whoever asked for it leaves in between.

    `messages` are new with it; none when it goes on with the answer of the run `after`.

    Raises:
        BranchIsBusy: an answer on this branch is still being written.
        NothingToApprove, ConversationWentOn: the answer that was to go on waits no more, or is not the last one.
        NotFound: the conversation was deleted meanwhile.
        BudgetSpent: the owner has not enough left for an answer.
        ModelBusy: too many answers wait for the language model already.
    """
    # Asked again, because what was read since took a while. From here on `drain` and the others see this run.
    try:
        require_room(answering.run.user_id)
    except EloquentError:
        answering.bill.close()
        raise
    beginning = asyncio.create_task(_write_and_begin(answering, messages, title, after))
    _beginning[beginning] = answering.run
    beginning.add_done_callback(_begun)
    await asyncio.shield(beginning)


async def _write_and_begin(
    answering: Answering, messages: Sequence[Message], title: str | None, after: RunId | None
) -> None:
    try:
        await answering.reserve()
        # What it was made for took a while since: files were read, a budget was asked.
        answering.run = with_fresh_lease(answering.run)
        if after is None:
            await store.add_run(answering.run, messages)
        else:
            await store.add_run_that_goes_on(answering.run, answering.message, after=after)
    except BaseException as error:
        answering.bill.close()
        if isinstance(error, store.BranchBusy):
            raise BranchIsBusy from None
        if isinstance(error, store.AnswerGone):
            raise NothingToApprove from None
        if isinstance(error, store.AnswerFollowed):
            raise ConversationWentOn from None
        raise
    titling.answer_begins(answering.run)
    # The branch is ours. The language model thinks while the answer is being shown: the first word comes sooner.
    answering.begin()
    _at_work[answering.run.id] = answering
    try:
        await store.show_run(answering.run, messages, title)
    except BaseException as error:
        del _at_work[answering.run.id]
        await answering.abandon()
        if isinstance(error, store.ConversationGone):
            raise NotFound("There is no such conversation.") from None
        raise
    notices.tell_started(answering.run, title)
    _follow(answering)


def _begun(beginning: asyncio.Task[None]) -> None:
    del _beginning[beginning]
    if not beginning.cancelled():
        beginning.exception()  # fetched here: whoever waited for it may have left


def _follow(answering: Answering) -> None:
    """Forget the run when it is at rest, and tell of it."""
    run_id = answering.run.id

    def forget(finished: asyncio.Task[None]) -> None:
        _at_work.pop(run_id, None)
        notices.tell_finished(answering.run)
        titling.answer_rested(answering.run, answering.title_wish, _is_answering)
        if not finished.cancelled() and (error := finished.exception()) is not None:
            log.error("run broke", run_id=str(run_id), exc_info=error)

    if answering.finished is not None:
        answering.finished.add_done_callback(forget)
    if _stopped_early.pop(run_id, None) is not None:
        answering.request_stop()


def _is_answering(provider: str) -> bool:
    """Whether an answer is at work here on the provider's server."""
    return any(answering.run.provider == provider for answering in _at_work.values())


def _stop_here(run_id: RunId) -> None:
    """Another process's user wants the run stopped."""
    answering = _at_work.get(run_id)
    if answering is not None:
        answering.request_stop()
        return
    # It may be only being begun: then it is stopped before its first word.
    at = time.monotonic()
    for outdated in [stopped for stopped, since in _stopped_early.items() if at - since > _EARLY_STOP_S]:
        del _stopped_early[outdated]
    _stopped_early[run_id] = at


async def startup() -> None:
    """Open the journal, listen to other processes, and begin to look after runs whose worker was lost."""
    loop = asyncio.get_running_loop()
    redis, url = redis_client(), get_config().redis_url
    work: list[Callable[[], Awaitable[None]]] = []
    if redis is not None and url is not None:
        reader = StreamReader(url.get_secret_value(), redis, name=lifecycle.worker_id())
        await reader.connect()
        shared = SharedJournal(redis, reader, url=url.get_secret_value())
        shared.start()
        Inbox(lifecycle.worker_id()).open(reader, stop=_stop_here)
        _journals[loop] = shared
        work.append(reader.run)
    work.extend((Reaper(journal(), _at_work).run, job.run, sweep.run, sweeping.run, look_after_holds))
    _tasks[loop] = [asyncio.create_task(task(), name=task.__qualname__) for task in work]  # type: ignore[arg-type]


async def drain(within_s: float) -> None:
    """Let the answers at work finish, interrupt those that do not in time, and return when all are saved."""
    await titling.end()
    if _beginning:
        await asyncio.wait(list(_beginning))
    running = [answering.finished for answering in _at_work.values() if answering.finished is not None]
    if running:
        await asyncio.wait(running, timeout=within_s)
    # One that breaks is logged by `_keep`; the others are waited for all the same.
    await asyncio.gather(*(answering.interrupt() for answering in list(_at_work.values())), return_exceptions=True)


async def close() -> None:
    """What is left to say is said to other processes; then nobody is listened to or looked after any more."""
    await journal().aclose()
    await asyncio.gather(*map(end_task, _tasks.pop(asyncio.get_running_loop(), [])))
