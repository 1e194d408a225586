"""Runs: start one, read it, stop it, and let them all come to rest when the process goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from chat import notices, reaper, store, titling
from chat.answering import Answering
from chat.asking import Ask, OnBusy, empty_answer_of, new_run, question_of
from chat.branches import branch_to_go_on_from
from chat.chunks import replay_of
from chat.context import fit
from chat.conversations import conversation_of
from chat.errors import BranchIsBusy, Draining, KeyUsedElsewhere, TooManyRuns
from chat.journal import Entries, Journal, MemoryJournal, NotInJournal
from chat.titles import first_title
from chat.types import Conversation, Message, Run
from eloquent.foundation import lifecycle
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ConversationId, RunId, UserId
from inference.catalog import OfferedModel, model_named

log = structlog.get_logger(__name__)

MOST_RUNS_OF_A_USER: Final = 16
_LOST_RUN_POLL_S: Final = 1.0

_journal: Journal = MemoryJournal()
_at_work: dict[RunId, Answering] = {}
# Runs that are being written, with their owners: not at work yet, and not to be forgotten.
_beginning: dict[asyncio.Task[None], UserId] = {}
_reaping: asyncio.Task[None] | None = None


async def start_run(owner: UserId, conversation_id: ConversationId, ask: Ask) -> Run:
    """Begin an answer. It goes on whether or not anybody reads it.

    A repeated idempotency key returns the first run.

    Raises:
        Draining, TooManyRuns: not now.
        NotFound: no such conversation of this owner.
        ParentUnknown, NotAQuestion, NotAnAnswer: the message to go on from is not there, or of the wrong kind.
        BranchIsBusy: an answer on this branch is still being written, and no sibling is wanted.
        KeyUsedElsewhere: the idempotency key started a run in another conversation.
        MessageTooLong: the message alone is larger than the language model's window.
        InferenceError: the language model is not offered, or none is.
    """
    if lifecycle.is_draining():
        raise Draining(retry_after_s=5)
    if first := await _first_run_of(owner, conversation_id, ask):
        return first
    _require_room(owner)
    conversation = await conversation_of(owner, conversation_id)
    model = await model_named(ask.model or conversation.model or None)
    beside = False
    while True:
        try:
            return await _start(conversation, model, ask, beside=beside)
        except BranchIsBusy:
            # What keeps the branch busy may be the same request, sent twice at once.
            if first := await _first_run_of(owner, conversation_id, ask):
                return first
            if beside or ask.on_busy is OnBusy.CONFLICT:
                raise
            beside = True


async def _first_run_of(owner: UserId, conversation_id: ConversationId, ask: Ask) -> Run | None:
    if not ask.idempotency_key:
        return None
    first = await store.find_run_by_key(owner, ask.idempotency_key)
    if first is not None and first.conversation_id != conversation_id:
        raise KeyUsedElsewhere
    return first


async def _start(conversation: Conversation, model: OfferedModel, ask: Ask, *, beside: bool) -> Run:
    branch = await branch_to_go_on_from(conversation, ask)
    regenerated = branch[-1] if ask.regenerates else None
    run = new_run(conversation, branch, regenerated, model=model, ask=ask, beside=beside)
    question = regenerated or question_of(run, branch, ask)
    title = None if conversation.title else first_title(question.text)
    messages = branch if regenerated else [*branch, question]
    prompt = fit(conversation.system_prompt, messages, model.context_window)
    answer = empty_answer_of(run, prompt.told())
    answering = Answering(
        run,
        answer,
        model=model,
        prompt=prompt,
        options=ask.options,
        journal=_journal,
        title=title,
        title_wish=titling.wish_for(conversation, first_words=title, question=messages[0].text, model=model.id),
    )
    await _begin(answering, [answer] if regenerated else [question, answer], title)
    return answering.run


def _require_room(owner: UserId) -> None:
    at_once = sum(answering.run.user_id == owner for answering in _at_work.values())
    if at_once + sum(waiting == owner for waiting in _beginning.values()) >= MOST_RUNS_OF_A_USER:
        raise TooManyRuns(retry_after_s=5)


async def _begin(answering: Answering, messages: Sequence[Message], title: str | None) -> None:
    """Write the run and set it to work, even when whoever asked for it leaves in between."""
    # Asked again, because what was read since took a while. From here on `drain` and the others see this run.
    if lifecycle.is_draining():
        raise Draining(retry_after_s=5)
    _require_room(answering.run.user_id)
    beginning = asyncio.create_task(_write_and_begin(answering, messages, title))
    _beginning[beginning] = answering.run.user_id
    beginning.add_done_callback(_begun)
    await asyncio.shield(beginning)


async def _write_and_begin(answering: Answering, messages: Sequence[Message], title: str | None) -> None:
    try:
        await store.add_run(answering.run, messages, title)
    except store.BranchBusy:
        raise BranchIsBusy from None
    except store.ConversationGone:
        raise NotFound("There is no such conversation.") from None
    titling.answer_begins(answering.run)
    answering.begin()
    _keep(answering)
    notices.tell_started(answering.run, title)


def _begun(beginning: asyncio.Task[None]) -> None:
    del _beginning[beginning]
    if not beginning.cancelled():
        beginning.exception()  # fetched here: whoever waited for it may have left


async def run_of(owner: UserId, run_id: RunId) -> Run:
    """The owner's run, as it is at this moment when it is at work here.

    Raises:
        NotFound: none with this id, or another user's.
    """
    answering = _at_work.get(run_id)
    if answering is not None and answering.run.user_id == owner:
        return answering.run
    run = await store.find_run(owner, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


async def active_run_of(owner: UserId, conversation_id: ConversationId) -> Run | None:
    """The conversation's run that is not at rest: of several the one on the branch shown, else the latest."""
    runs = await store.active_runs_of(owner, conversation_id)
    if len(runs) > 1:
        conversation = await store.find_conversation(owner, conversation_id)
        runs.sort(key=lambda run: conversation is not None and run.message_id == conversation.leaf_id, reverse=True)
    return runs[0] if runs else None


async def stop_run(owner: UserId, run_id: RunId) -> Run:
    """End the answer here and keep what was written; a run at rest stays as it is. Returns when it is saved.

    Raises:
        NotFound: none with this id, or another user's.
    """
    run = await run_of(owner, run_id)
    answering = _at_work.get(run.id)
    if answering is None:
        return run
    await answering.stop()
    return answering.run


async def entries_of(owner: UserId, run_id: RunId, *, after: int = -1) -> AsyncIterator[Entries]:
    """The run's chunks behind position `after`, as they come.

    When the run's log is gone, the saved answer comes whole, from position 0: its `start` chunk tells a client to
    begin the message anew.

    Raises:
        NotFound: none with this id, or another user's.
    """
    run = await run_of(owner, run_id)
    try:
        return _journal.follow(run.id, after=after)
    except NotInJournal:
        return _entries_at_rest(run)


async def _entries_at_rest(run: Run) -> AsyncIterator[Entries]:
    while run.active:  # it is only being begun, or its worker was lost and the reaper ends it when the lease is over
        yield Entries(0, ())
        await reaper.reap(_at_work)
        with contextlib.suppress(NotInJournal):
            async for entries in _journal.follow(run.id):
                yield entries
            return
        run = await run_of(run.user_id, run.id)
        if run.active:
            await asyncio.sleep(_LOST_RUN_POLL_S)
    message = await store.find_message(run.user_id, run.message_id)
    if message is not None:
        yield Entries(0, replay_of(message))


def _keep(answering: Answering) -> None:
    run_id = answering.run.id
    _at_work[run_id] = answering

    def forget(finished: asyncio.Task[None]) -> None:
        _at_work.pop(run_id, None)
        notices.tell_finished(answering.run)
        titling.answer_rested(answering.run, answering.title_wish, _is_answering)
        if not finished.cancelled() and (error := finished.exception()) is not None:
            log.error("run broke", run_id=str(run_id), exc_info=error)

    if answering.finished is not None:
        answering.finished.add_done_callback(forget)


def _is_answering(provider: str) -> bool:
    """Whether an answer is at work here on the provider's server."""
    return any(answering.run.provider == provider for answering in _at_work.values())


async def startup() -> None:
    """Begin to look after runs whose worker was lost."""
    global _reaping  # noqa: PLW0603 - the process has one reaper
    _reaping = asyncio.create_task(reaper.reap_for_ever(_at_work), name="reaper")


async def drain(within_s: float) -> None:
    """Let the answers at work finish, interrupt those that do not in time, and return when all are saved."""
    global _reaping  # noqa: PLW0603 - as above
    if _reaping is not None:
        _reaping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await _reaping
        _reaping = None
    await titling.end()
    if _beginning:
        await asyncio.wait(list(_beginning))
    running = [answering.finished for answering in _at_work.values() if answering.finished is not None]
    if running:
        await asyncio.wait(running, timeout=within_s)
    # One that breaks is logged by `_keep`; the others are waited for all the same.
    await asyncio.gather(*(answering.interrupt() for answering in list(_at_work.values())), return_exceptions=True)
