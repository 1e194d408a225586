"""The user's word about calls of tools: an answer that waited for it goes on, in a run of its own.

answer at rest, with a `resumption` ─▶ decided: every call that waits ─▶ run ─▶ the same answer, at rest again
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from chat import runs, store, work
from chat.answering import Answering
from chat.asking import question_answered_by, run_that_goes_on
from chat.attachments.sending import attachments_in
from chat.attachments.showing import shown_files
from chat.branches import HISTORY_MESSAGES, message_of
from chat.context import fit
from chat.conversations import conversation_of
from chat.errors import ApprovalsMissing, BranchIsBusy, NothingToApprove
from chat.generation import Before, Generation, Resumption
from chat.parts import STEP_START, approval_id, before_last_step, calls_that_wait, with_decision
from chat.replay import chunks_of
from chat.tool_choice import toolkit_again
from chat.types import Message, MessageStatus, Run
from eloquent.foundation.ids import MessageId, UserId
from inference.billing.bill import lines_of_answer
from inference.billing.errors import BudgetSpent
from inference.catalog import model_named
from inference.steps import Decision, PausedStep, denial, turns_of_step
from inference.types import PromptMessage, ToolCall, ToolOutput


async def go_on(
    owner: UserId, answer_id: MessageId, decisions: Mapping[str, Decision], *, idempotency_key: str | None = None
) -> Run:
    """Go on with an answer that waits, as its user decided. `decisions` are by the ids of the questions.

    What is asked is what the answer was asked for with; a tool that is not the user's any more is not called. A
    repeated idempotency key returns the first run.

    Raises:
        NotFound: no such message of this owner.
        NothingToApprove, ApprovalsMissing: no call waits, or one was not decided about.
        BranchIsBusy: the answer goes on already.
        ConversationWentOn: something else was written behind it.
        what `runs.start_run` raises of models, budgets, files, queues and keys.
    """
    waiting = await message_of(owner, answer_id)
    if idempotency_key:
        if first := await runs.first_run_of(owner, waiting.conversation_id, idempotency_key):
            return first
        # A first one that was lost before it took the answer up has left its fence in it by now.
        waiting = await message_of(owner, answer_id)
    work.require_room(owner)
    try:
        return await _go_on(owner, waiting, decisions, idempotency_key)
    except (NothingToApprove, BranchIsBusy, BudgetSpent):
        # What has gone on with it, or has the rest of the budget, may be the same request, sent twice at once.
        if first := await runs.first_run_of(owner, waiting.conversation_id, idempotency_key):
            return first
        raise


async def _go_on(
    owner: UserId, waiting: Message, decisions: Mapping[str, Decision], idempotency_key: str | None
) -> Run:
    answer = _decided(waiting, decisions)
    conversation, branch, lines = await asyncio.gather(
        conversation_of(owner, answer.conversation_id),
        store.branch_ending_at(owner, answer.conversation_id, question_answered_by(answer), limit=HISTORY_MESSAGES),
        lines_of_answer(answer.id, answer.calls),
    )
    model = await model_named(answer.model, owner)
    files = await attachments_in(owner, branch, [])
    prompt = fit(
        conversation.system_prompt,
        branch,
        model.context_window,
        {} if files is None else await shown_files(branch, files, model),
    )
    said, paused = turns_of(answer.parts)
    resumption = msgspec.convert(waiting.resumption, Resumption)
    generation = Generation(
        model,
        prompt._replace(messages=(*prompt.messages, *said)),
        resumption.options,
        await toolkit_again(owner, resumption.tools),
        Before(paused, _steps_in(answer.parts), tuple(lines)),
    )
    run = run_that_goes_on(answer, model, idempotency_key=idempotency_key)
    answer = msgspec.structs.replace(answer, run_id=run.id)
    answering = Answering(run, answer, generation=generation, journal=work.journal())
    await work.begin(answering, [], after=waiting.run_id)
    return answering.run


def _decided(message: Message, decisions: Mapping[str, Decision]) -> Message:
    """The answer with the user's word to each call that waits, about to go on."""
    if message.status is MessageStatus.STREAMING:
        raise BranchIsBusy
    waiting = [] if message.resumption is None else calls_that_wait(message.parts)
    if not waiting:
        raise NothingToApprove
    questions = {call_id: approval_id(call_id) for call_id in waiting}
    if missing := [question for question in questions.values() if question not in decisions]:
        raise ApprovalsMissing(missing)
    parts: Sequence[dict[str, Any]] = message.parts
    for call_id, question in questions.items():
        decision = decisions[question]
        parts = with_decision(parts, call_id, approved=decision.approved, reason=decision.reason)
    answer = msgspec.structs.replace(message, parts=list(parts), status=MessageStatus.STREAMING)
    # A call whose tool has said something is told with its question again: that is one chunk more than the log has.
    return msgspec.structs.replace(answer, position=chunks_of(answer) + len(questions))


def turns_of(parts: Sequence[dict[str, Any]]) -> tuple[list[PromptMessage], PausedStep]:
    """An answer's steps as the language model is shown them, and the last one, which the user has decided about."""
    over = before_last_step(parts)
    turns: list[PromptMessage] = []
    step: list[dict[str, Any]] = []
    for part in over:
        if part != STEP_START:
            step.append(part)
            continue
        turns += turns_of_step(_said(step), _calls(step), _outputs(step))
        step = []
    last = parts[len(over) :]
    decisions = {
        part["toolCallId"]: Decision(part["approval"]["approved"], part["approval"].get("reason", ""))
        for part in last
        if part["type"] == "dynamic-tool" and part["state"] == "approval-responded"
    }
    return turns, PausedStep(_said(last), tuple(_calls(last)), tuple(_outputs(last)), decisions)


def _steps_in(parts: Sequence[dict[str, Any]]) -> int:
    return 1 + sum(part == STEP_START for part in parts)


def _said(step: Sequence[dict[str, Any]]) -> str:
    return "".join(part["text"] for part in step if part["type"] == "text")


def _calls(step: Sequence[dict[str, Any]]) -> list[ToolCall]:
    return [
        ToolCall(part["toolCallId"], part["toolName"], _json(part["input"]))
        for part in step
        if part["type"] == "dynamic-tool"
    ]


def _outputs(step: Sequence[dict[str, Any]]) -> list[ToolOutput]:
    return [output for part in step if part["type"] == "dynamic-tool" and (output := _output(part)) is not None]


def _output(part: dict[str, Any]) -> ToolOutput | None:
    """What the tool said; None when it has said nothing yet."""
    call = ToolCall(part["toolCallId"], part["toolName"], "")
    match part["state"]:
        case "output-available":
            return ToolOutput(call.id, call.name, _json(part["output"]))
        case "output-error":
            return ToolOutput(call.id, call.name, part["errorText"], is_error=True)
        case "output-denied":
            return denial(call, part["approval"].get("reason", ""))
    return None


def _json(value: Any) -> str:
    """As the language model wrote it, or was told it: text that is no JSON was kept as it is."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
