"""Runs: start one, read it, stop it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from msgspec.structs import replace

from chat import reading, store, titling, work
from chat.answering import Answering
from chat.asking import LEASE_S, Ask, OnBusy, empty_answer_of, new_run, question_of
from chat.attachments.keeping import delete_attachments_of
from chat.attachments.sending import attachments_in, files_named, give_files, parts_to_send
from chat.attachments.showing import shown_files
from chat.branches import branch_to_go_on_from, place_of
from chat.context import fit
from chat.errors import BeingBegun, BranchIsBusy, KeyUsedElsewhere
from chat.generation import Generation
from chat.inbox import Inbox
from chat.journal import Entries, LogCut
from chat.titles import first_title, named_by
from chat.tool_choice import NO_TOOLS, toolkit_for
from chat.types import Conversation, Message, Run
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ConversationId, RunId, UserId
from inference.billing.errors import BudgetSpent
from inference.catalog import model_named
from inference.offers import OfferedModel

# How long a stop waits for the other worker's word that the answer is saved.
_STOPPED_WITHIN_S: Final = 5.0
_LAST_POSITION: Final = 2**53
# How long a repeated request waits for what the first one writes. Longer than the lease of one that was lost.
_BEGUN_WITHIN_S: Final = LEASE_S + 5.0
_LOOKED_AGAIN_FIRST_S: Final = 0.02
_LOOKED_AGAIN_MOST_S: Final = 0.5


async def start_run(owner: UserId, conversation_id: ConversationId, ask: Ask) -> Run:
    """Begin an answer. It goes on whether or not anybody reads it.

    A repeated idempotency key returns the first run.

    Raises:
        Draining, JournalAway, TooManyRuns: not now.
        NotFound: no such conversation of this owner.
        ParentUnknown, NotAQuestion, NotAnAnswer: the message to go on from is not there, or of the wrong kind.
        BranchIsBusy: an answer on this branch is still being written, and no sibling is wanted.
        KeyUsedElsewhere, BeingBegun: the idempotency key started a run in another conversation, or one a moment ago.
        MessageTooLong: the message alone is larger than the language model's window.
        AttachmentUnknown, AttachmentsTooLarge, ModelCannotSee: a file of the message's cannot be sent, or not to it.
        StorageAway: its files cannot be read now.
        InferenceError: the language model is not offered, or none is.
        ToolNotOffered, ModelWithoutTools: a tool that was named cannot be offered.
        BudgetSpent: the owner has not enough left for an answer.
    """
    if first := await first_run_of(owner, conversation_id, ask.idempotency_key):
        return first
    work.require_room(owner)
    conversation, shown = await place_of(owner, conversation_id, ask)
    model = await model_named(ask.model or conversation.model or None, owner)
    beside = False
    while True:
        try:
            return await _start(conversation, shown, model, ask, beside=beside)
        except (BranchIsBusy, BudgetSpent) as error:
            # What keeps the branch busy, or has the rest of the budget, may be the same request, sent twice at once.
            if first := await first_run_of(owner, conversation_id, ask.idempotency_key):
                return first
            if beside or ask.on_busy is OnBusy.CONFLICT or isinstance(error, BudgetSpent):
                raise
            beside, shown = True, None


async def first_run_of(owner: UserId, conversation_id: ConversationId, key: str | None) -> Run | None:
    """The run that was started with this idempotency key; None without a key, or when there is none yet.

    A run that has yet to write its answer is waited for: if its worker was lost on the way, the reaper removes all of
    it, and whoever had been told of it would have asked in vain.

    Raises:
        KeyUsedElsewhere: it started a run in another conversation.
        BeingBegun: it is neither written nor removed yet.
    """
    if not key:
        return None
    wait_s, waited_s = _LOOKED_AGAIN_FIRST_S, 0.0
    while (first := await store.find_run_by_key(owner, key)) is not None:
        if first.conversation_id != conversation_id:
            raise KeyUsedElsewhere
        if not first.active or await store.is_written(first):
            return first
        if waited_s >= _BEGUN_WITHIN_S:
            raise BeingBegun(retry_after_s=2)
        await asyncio.sleep(wait_s)
        waited_s += wait_s
        wait_s = min(wait_s * 2, _LOOKED_AGAIN_MOST_S)
    return None


async def _start(
    conversation: Conversation, shown: list[Message] | None, model: OfferedModel, ask: Ask, *, beside: bool
) -> Run:
    branch = await branch_to_go_on_from(conversation, ask, shown)
    files = await attachments_in(conversation.user_id, branch, ask.parts)
    if files is not None:
        ask = replace(ask, parts=parts_to_send(ask.parts, files, conversation.id))
    regenerated = branch[-1] if ask.regenerates else None
    run = new_run(conversation, branch, regenerated, model=model, ask=ask, beside=beside)
    question = regenerated or question_of(run, branch, ask)
    title = None if conversation.title else first_title(named_by(question))
    messages = branch if regenerated else [*branch, question]
    shown_of = {} if files is None else await shown_files(messages, files, model)
    prompt = fit(conversation.system_prompt, messages, model.context_window, shown_of)
    toolkit = await toolkit_for(conversation.user_id, model, ask.tools) or NO_TOOLS
    generation = Generation(model, prompt, ask.options, toolkit)
    answer = empty_answer_of(run, prompt.told(), generation.resumption if generation.may_wait else None)
    answering = Answering(
        run,
        answer,
        generation=generation,
        journal=work.journal(),
        title=title,
        title_wish=titling.wish_for(conversation, first_words=title, question=named_by(messages[0]), model=model.id),
    )
    if sent := files_named(ask.parts):
        # First: files whose question is refused must stay what they were, or they would lie there for ever.
        work.require_room(conversation.user_id)
        await answering.reserve()
        try:
            await give_files(conversation.user_id, conversation.id, sent)
        except BaseException:
            answering.bill.close()
            raise
    try:
        await work.begin(answering, [answer] if regenerated else [question, answer], title)
    except NotFound:
        # The conversation was deleted meanwhile, before it had the files.
        if sent:
            await delete_attachments_of(conversation.user_id, conversation.id)
        raise
    return answering.run


async def run_of(owner: UserId, run_id: RunId) -> Run:
    """The owner's run, as it is at this moment when it is at work here.

    Raises:
        NotFound: none with this id, or another user's.
    """
    answering = work.at_work(run_id)
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
    """End the answer here and keep what was written; a run at rest stays as it is.

    Returns when it is saved; or, when its worker in another process does not answer, with the run as it is by then: the
    wish is on its record and is fulfilled when the worker next looks, or by the reaper.

    Raises:
        NotFound: none with this id, or another user's.
    """
    run = await run_of(owner, run_id)
    answering = work.at_work(run.id)
    if answering is not None:
        await answering.stop()
        return answering.run
    if not run.active:
        return run
    asked = await store.request_stop(owner, run.id, at=now())
    if asked is None:
        return await run_of(owner, run_id)
    await Inbox(asked.worker).ask_to_stop(run.id)
    try:
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            async for _ in await reading.entries_of_run(run, after=_LAST_POSITION):
                pass
    except (TimeoutError, LogCut):
        pass
    return await run_of(owner, run_id)


async def entries_begun_by(run: Run) -> AsyncIterator[Entries]:
    """The chunks of the run itself, from its first one, as they come: for whoever has just begun it."""
    return await reading.entries_of_run(run, after=run.begins_at - 1)


async def entries_of(owner: UserId, run_id: RunId, *, after: int = -1) -> AsyncIterator[Entries]:
    """The run's chunks behind position `after`, as they come. See `chat.reading`.

    Raises:
        NotFound: none with this id, or another user's.
    """
    return await reading.entries_of_run(await run_of(owner, run_id), after=after)
