"""An answer in steps: the language model asks for tools, they are called, and it is asked again with what they said.

    answer ─▶ calls? ─▶ each is called ─▶ ToolOutput ─▶ NextStep ─▶ answer … ─▶ Finished
                  └─ one needs the user's agreement ─▶ ApprovalRequest ─▶ Finished … go_on ─▶ ToolOutput ─▶ NextStep …

Each step is one call of the language model with a line of its own in the ledger. The last step that is allowed has no
tools, so the model has to say something.
"""

import asyncio
from collections.abc import AsyncGenerator, Container, Mapping, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from inference.billing.bill import Bill
from inference.catalog import model_named
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.router import answer
from inference.tokens import estimated_tokens
from inference.tools import toolbox
from inference.tools.base import Caller, failure, unknown
from inference.types import (
    ApprovalRequest,
    Event,
    Finished,
    FinishReason,
    ModelChanged,
    NextStep,
    PromptMessage,
    PromptRequest,
    TextDelta,
    ToolCall,
    ToolOutput,
)

log = structlog.get_logger(__name__)

MOST_STEPS: Final = 8
MOST_CALLS_A_STEP: Final = 8
LONGEST_CALL_ID: Final = 128
"""Characters. A server that makes longer ones has them made anew here."""
_KEPT_OF_AN_ID: Final = 64
LONGEST_REASON: Final = 500
"""Characters that a user may say to a denial."""
_ROOM_FOR_THE_ANSWER: Final = 0.25
"""Of the window. What tools say is cut to leave it, and what is cut off is said."""
_FEWEST_RESULT_CHARS: Final = 200
_CHARS_A_TOKEN: Final = 2
"""Few, so that what is cut surely fits: code and numbers take a token for two or three characters."""


async def answer_in_steps(
    model: OfferedModel,
    request: PromptRequest,
    *,
    caller: Caller,
    bill: Bill | None = None,
    restarts: bool = True,
    most_steps: int = MOST_STEPS,
) -> AsyncGenerator[Event, None]:
    """As `router.answer`, with the tools of the request called for `caller`; the one `Finished` is the last step's.

    Each `ToolCall` is followed by one `ToolOutput` with its id, unless the answer ends before, or by an
    `ApprovalRequest`: then the other calls of its step are made, and the answer ends with the reason TOOL_CALLS until
    `go_on`. Ids are made unique within the answer, whatever the server calls them. A model that calls tools in the last
    step, which has none, ends with the reason TOOL_CALLS too.
    """
    taken = {call.id for message in request.messages for call in message.tool_calls}
    for number in range(most_steps):
        step = _Step(request if number < most_steps - 1 else replace(request, tools=()), number, taken)
        async with aclosing(answer(model, step.request, bill=bill, restarts=restarts)) as events:
            async for event in events:
                if (told := step.saw(event)) is not None:
                    yield told
        if step.finished is None:
            return
        if not step.wants_tools:
            yield step.finished
            return
        said = "".join(step.texts)
        waiting = step.waiting()
        outputs = _fitted(await _outputs_of(step, waiting, caller), model, step.request.messages, said)
        for output in outputs:
            yield output
        if waiting:
            for call_id in waiting:
                yield ApprovalRequest(call_id)
            yield replace(step.finished, reason=FinishReason.TOOL_CALLS)
            return
        yield NextStep(step.finished.usage)
        request = replace(request, messages=(*request.messages, *turns_of_step(said, step.calls, outputs)))
        model = await _who_goes_on(model, step, bill)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What the user said to one call. `reason` is in the user's words, at most `LONGEST_REASON`; empty without one."""

    approved: bool
    reason: str = ""


class PausedStep(NamedTuple):
    """A step that waited for the user.

    What the language model said and called, what the tools said that nobody had to agree to, and what the user decided
    about the other calls, by their ids.
    """

    text: str
    calls: tuple[ToolCall, ...]
    outputs: tuple[ToolOutput, ...]
    decisions: Mapping[str, Decision]


async def go_on(
    model: OfferedModel,
    request: PromptRequest,
    paused: PausedStep,
    *,
    caller: Caller,
    bill: Bill | None = None,
    most_steps: int = MOST_STEPS,
) -> AsyncGenerator[Event, None]:
    """As `answer_in_steps`, from where an answer waited: the calls are made, or refused, as the user decided.

    `request` has what was said before the paused step.
    """
    decided = await _decided(paused, frozenset(tool.name for tool in request.tools), caller)
    already_said = "".join((paused.text, *(output.text for output in paused.outputs)))
    fitted = _fitted(decided, model, request.messages, already_said)
    for output in fitted:
        yield output
    yield NextStep()
    turns = turns_of_step(paused.text, paused.calls, [*paused.outputs, *fitted])
    request = replace(request, messages=(*request.messages, *turns))
    async with aclosing(answer_in_steps(model, request, caller=caller, bill=bill, most_steps=most_steps)) as events:
        async for event in events:
            yield event


def turns_of_step(said: str, calls: Sequence[ToolCall], outputs: Sequence[ToolOutput]) -> tuple[PromptMessage, ...]:
    """A step as the language model is shown it in the next one: its own turn, and what the tools said."""
    told = [PromptMessage("tool", each.text, tool_call_id=each.call_id, tool_name=each.tool_name) for each in outputs]
    return PromptMessage("assistant", said, tool_calls=tuple(calls)), *told


def denial(call: ToolCall, reason: str) -> ToolOutput:
    """What the language model is told of a call that the user did not agree to."""
    because = f", and says: {reason}" if reason else "."
    return ToolOutput(call.id, call.name, f"The user did not agree to this call{because}", is_denied=True)


class _Step:
    """One call of the language model, and what it said and asked for."""

    def __init__(self, request: PromptRequest, number: int, taken: set[str]) -> None:
        self.request = request
        self.texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.finished: Finished | None = None
        self.changed_to: str | None = None
        self._number = number
        self._taken = taken

    def saw(self, event: Event) -> Event | None:
        """The event as it is passed on; None for its `Finished`, which may not be the last word."""
        if isinstance(event, Finished):
            self.finished = event
            return None
        if isinstance(event, TextDelta):
            self.texts.append(event.text)
        elif isinstance(event, ToolCall):
            event = self._with_own_id(event)
            self.calls.append(event)
        elif isinstance(event, ModelChanged):
            self.changed_to = event.model_id
            if event.restarted:
                self.texts.clear()
                self.calls.clear()
        return event

    @property
    def wants_tools(self) -> bool:
        """Whether tools are to be called: not when the answer was cut short, for then a call may be too."""
        reasons = (FinishReason.TOOL_CALLS, FinishReason.STOP)
        return bool(self.calls and self.request.tools and self.finished and self.finished.reason in reasons)

    def waiting(self) -> tuple[str, ...]:
        """The ids of the calls that wait for the user's agreement."""
        offered = {tool.name for tool in self.request.tools}
        return tuple(
            call.id
            for call in self.calls[:MOST_CALLS_A_STEP]
            if call.name in offered and toolbox.needs_approval(call.name)
        )

    def _with_own_id(self, call: ToolCall) -> ToolCall:
        own, number = call.id, len(self._taken)
        while not own or own in self._taken or len(own) > LONGEST_CALL_ID:
            own = f"{call.id[:_KEPT_OF_AN_ID] or 'call'}-{self._number}-{number}"
            number += 1
        self._taken.add(own)
        return call if own == call.id else replace(call, id=own)


async def _who_goes_on(model: OfferedModel, step: _Step, bill: Bill | None) -> OfferedModel:
    """The model that answered last: one that stepped in goes on, so that the answer does not change hands again."""
    if step.changed_to is None:
        return model
    try:
        return await model_named(step.changed_to, None if bill is None else bill.user_id)
    except InferenceError:
        return model


async def _outputs_of(step: _Step, waiting: Container[str], caller: Caller) -> list[ToolOutput]:
    """All at once; those beyond the bound, or of tools that were not offered, are refused, and said to be."""
    offered = {tool.name for tool in step.request.tools}
    made = [
        _output_of(call, offered, caller, is_beyond=number >= MOST_CALLS_A_STEP)
        for number, call in enumerate(step.calls)
        if call.id not in waiting
    ]
    return list(await asyncio.gather(*made))


async def _decided(paused: PausedStep, offered: Container[str], caller: Caller) -> list[ToolOutput]:
    """What the calls say that the user has decided about; the tools that may be called have been asked for anew."""
    made = {output.call_id for output in paused.outputs}

    async def output_of(call: ToolCall) -> ToolOutput:
        decision = paused.decisions[call.id]
        return await _output_of(call, offered, caller) if decision.approved else denial(call, decision.reason)

    return list(await asyncio.gather(*(output_of(call) for call in paused.calls if call.id not in made)))


async def _output_of(call: ToolCall, offered: Container[str], caller: Caller, *, is_beyond: bool = False) -> ToolOutput:
    if call.name not in offered:
        result = unknown(call.name)
    elif is_beyond:
        result = failure(f"At most {MOST_CALLS_A_STEP} calls can be made at once. Make this one again, alone.")
    else:
        began_at = asyncio.get_running_loop().time()
        result = await toolbox.call(call.name, call.arguments, user=caller)
        took_s = round(asyncio.get_running_loop().time() - began_at, 3)
        log.info("tool called", tool=call.name, took_s=took_s, is_error=result.is_error)
    return ToolOutput(call.id, call.name, result.output_text, is_error=result.is_error)


def _fitted(
    outputs: Sequence[ToolOutput], model: OfferedModel, asked: Sequence[PromptMessage], said: str
) -> list[ToolOutput]:
    """The outputs, cut where they would leave no room for the answer in the model's window."""
    limit = model.context_window * (1 - _ROOM_FOR_THE_ANSWER)
    used = sum(map(estimated_tokens, (*(message.content for message in asked), said)))
    share = max((limit - used) / max(len(outputs), 1), 0)
    return [_cut(output, share) for output in outputs]


def _cut(output: ToolOutput, tokens: float) -> ToolOutput:
    if estimated_tokens(output.text) <= tokens:
        return output
    kept = output.text[: max(int(tokens * _CHARS_A_TOKEN), _FEWEST_RESULT_CHARS)]
    return replace(output, text=f"{kept}\n(The rest of {len(output.text):,} characters did not fit.)")
