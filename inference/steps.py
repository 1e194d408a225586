"""An answer in steps: the language model asks for tools, they are called, and it is asked again with what they said.

    answer ─▶ calls? ─▶ each is called ─▶ ToolOutput ─▶ NextStep ─▶ answer … ─▶ Finished

Each step is one call of the language model with a line of its own in the ledger. The last step that is allowed has no
tools, so the model has to say something.
"""

import asyncio
from collections.abc import AsyncGenerator, Container, Sequence
from contextlib import aclosing
from typing import Final

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

    Each `ToolCall` is followed by one `ToolOutput` with its id, unless the answer ends before. Ids are made unique
    within the answer, whatever the server calls them. A model that calls tools in the last step, which has none, ends
    with the reason TOOL_CALLS.
    """
    taken: set[str] = set()
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
        outputs = _fitted(await _outputs_of(step, caller), model, step)
        for output in outputs:
            yield output
        yield NextStep(step.finished.usage)
        request = replace(request, messages=(*request.messages, *_turns(step, outputs)))
        model = await _who_goes_on(model, step, bill)


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

    def _with_own_id(self, call: ToolCall) -> ToolCall:
        own = call.id
        if not own or own in self._taken:
            own = f"{call.id or 'call'}-{self._number}-{len(self._taken)}"
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


async def _outputs_of(step: _Step, caller: Caller) -> list[ToolOutput]:
    """All at once; those beyond the bound, or of tools that were not offered, are refused, and said to be."""
    offered = {tool.name for tool in step.request.tools}
    calls = enumerate(step.calls)
    return list(await asyncio.gather(*(_output_of(call, number, offered, caller) for number, call in calls)))


async def _output_of(call: ToolCall, number: int, offered: Container[str], caller: Caller) -> ToolOutput:
    if call.name not in offered:
        result = unknown(call.name)
    elif number >= MOST_CALLS_A_STEP:
        result = failure(f"At most {MOST_CALLS_A_STEP} calls can be made at once. Make this one again, alone.")
    elif toolbox.needs_approval(call.name):
        result = failure(f"{call.name} may not be called without the user's agreement.")
    else:
        began_at = asyncio.get_running_loop().time()
        result = await toolbox.call(call.name, call.arguments, user=caller)
        took_s = round(asyncio.get_running_loop().time() - began_at, 3)
        log.info("tool called", tool=call.name, took_s=took_s, is_error=result.is_error)
    return ToolOutput(call.id, call.name, result.output_text, is_error=result.is_error)


def _fitted(outputs: Sequence[ToolOutput], model: OfferedModel, step: _Step) -> list[ToolOutput]:
    """The outputs, cut where they would leave no room for the answer in the model's window."""
    limit = model.context_window * (1 - _ROOM_FOR_THE_ANSWER)
    said = (*(message.content for message in step.request.messages), "".join(step.texts))
    used = sum(map(estimated_tokens, said))
    share = max((limit - used) / len(outputs), 0)
    return [_cut(output, share) for output in outputs]


def _cut(output: ToolOutput, tokens: float) -> ToolOutput:
    if estimated_tokens(output.text) <= tokens:
        return output
    kept = output.text[: max(int(tokens * _CHARS_A_TOKEN), _FEWEST_RESULT_CHARS)]
    return replace(output, text=f"{kept}\n(The rest of {len(output.text):,} characters did not fit.)")


def _turns(step: _Step, outputs: Sequence[ToolOutput]) -> list[PromptMessage]:
    said = PromptMessage("assistant", "".join(step.texts), tool_calls=tuple(step.calls))
    told = [PromptMessage("tool", each.text, tool_call_id=each.call_id, tool_name=each.tool_name) for each in outputs]
    return [said, *told]
