"""One question of an operator: asked, answered on the terminal, with the tools that the model calls on the way."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from eloquent.management.tally import Tally
from inference.admin.money import money_shown
from inference.catalog import model_named
from inference.offers import OfferedModel
from inference.router import answer
from inference.tools import toolbox
from inference.tools.base import Caller, ToolResult, unknown
from inference.types import (
    Finished,
    FinishReason,
    ModelChanged,
    PromptMessage,
    PromptRequest,
    ReasoningDelta,
    Status,
    TextDelta,
    Tool,
    ToolCall,
)

MOST_STEPS: Final = 5
"""Calls of the model for one question, those for tool results among them."""
OPERATOR: Final = Caller("operator")
"""No user, so without permissions: the tools that everyone may use."""
_SHOWN_OF_A_RESULT: Final = 400


class Terminal(Protocol):
    """Where words go: the answer to the one, everything else to the other."""

    def answer(self, text: str) -> None:
        """A piece of the answer, at once."""

    def remark(self, text: str, ending: str = "\n") -> None:
        """Something about it."""


class TooManySteps(Exception):
    """The model went on calling tools."""

    def __init__(self) -> None:
        super().__init__(f"The model still calls tools after {MOST_STEPS} steps and has no answer.")


class Asking:
    """Asks one model one question. `tally` has what it took, also after a failure."""

    def __init__(self, model: OfferedModel, terminal: Terminal, *, shows_thoughts: bool = False) -> None:
        self.tally = Tally(model)
        self._model = model
        self._terminal = terminal
        self._shows_thoughts = shows_thoughts

    async def ask(self, request: PromptRequest, *, with_tools: bool) -> None:
        """Print the answer as it comes.

        Raises:
            InferenceError: there is none, or it broke off behind what was printed.
            TooManySteps: the model does not come to an end.
        """
        if not with_tools:
            await self._step(request)
            return
        tools = await self._tools()
        request = msgspec.structs.replace(request, tools=tools)
        for _ in range(MOST_STEPS):
            text, calls = await self._step(request)
            if not calls:
                return
            if text:
                self._terminal.answer("\n")
            said = PromptMessage("assistant", text, tool_calls=tuple(calls))
            results = [await self._called(call, tools) for call in calls]
            request = msgspec.structs.replace(request, messages=(*request.messages, said, *results))
        raise TooManySteps

    async def _step(self, request: PromptRequest) -> tuple[str, list[ToolCall]]:
        texts: list[str] = []
        calls: list[ToolCall] = []
        async with aclosing(answer(self._model, request, restarts=False)) as events:
            async for event in events:
                self.tally.saw(event)
                match event:
                    case TextDelta(text=text):
                        texts.append(text)
                        self._terminal.answer(text)
                    case ReasoningDelta(text=text) if self._shows_thoughts:
                        self._terminal.remark(text, ending="")
                    case ToolCall():
                        calls.append(event)
                    case Status(state=state, elapsed_s=elapsed_s, position=position):
                        where = "" if position is None else f", number {position}"
                        self._terminal.remark(f"{self._model.name} is {state}{where} ({elapsed_s:.0f} s)")
                    case ModelChanged(model_id=other, model_name=name, instead_of=instead_of):
                        self.tally.model_changed(await model_named(other))
                        self._terminal.remark(f"{instead_of} cannot answer; {name} does.")
                    case Finished(reason=FinishReason.LENGTH):
                        self._terminal.remark("\nThe answer was longer than its limit and ends here.")
        return "".join(texts), calls

    async def _tools(self) -> tuple[Tool, ...]:
        offered = await toolbox.tools_for(OPERATOR.permissions)
        asking = [tool.name for tool in offered if toolbox.needs_approval(tool.name)]
        if asking:
            self._terminal.remark(f"Not offered, because a person must agree to each call: {', '.join(asking)}.")
        return tuple(tool for tool in offered if tool.name not in asking)

    async def _called(self, call: ToolCall, tools: Sequence[Tool]) -> PromptMessage:
        self._terminal.remark(f"→ {call.name} {call.arguments}")
        # What was not offered is not called either, whatever the model made up.
        known = any(tool.name == call.name for tool in tools)
        result = await toolbox.call(call.name, call.arguments, user=OPERATOR) if known else unknown(call.name)
        self._terminal.remark(f"← {_shown(result)}")
        return PromptMessage("tool", result.output_text, tool_call_id=call.id, tool_name=call.name)


def usage_shown(tally: Tally) -> str:
    """One line: tokens, times and cost, each a dash where nobody knows it."""
    taken = tally.taken()
    return "; ".join(
        (
            f"{_count(taken.input_tokens)} input and {_count(taken.output_tokens)} output tokens",
            f"first token after {_number(taken.first_token_s, 2)} s",
            f"{_number(taken.tokens_per_s, 1)} tokens/s",
            f"cost {_plain(money_shown(taken.cost_micros))}",
        )
    )


def _count(number: int | None) -> Any:
    return "-" if number is None else number


def _number(number: float | None, places: int) -> str:
    return "-" if number is None else f"{number:.{places}f}"


def _shown(result: ToolResult) -> str:
    text = result.output_text
    return text if len(text) <= _SHOWN_OF_A_RESULT else f"{text[:_SHOWN_OF_A_RESULT]}… ({len(text)} characters)"


def _plain(text: str) -> str:
    """For terminals, where a space is a space."""
    return text.replace("\N{NO-BREAK SPACE}", " ")
