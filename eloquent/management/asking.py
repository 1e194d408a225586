"""One question of an operator: asked, answered on the terminal, with the tools that the model calls on the way."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from eloquent.management.tally import Tally
from inference.admin.money import money_shown
from inference.catalog import model_named
from inference.offers import OfferedModel
from inference.router import answer
from inference.steps import answer_in_steps
from inference.tools import toolbox
from inference.tools.base import Caller
from inference.types import (
    Event,
    Finished,
    FinishReason,
    ModelChanged,
    NextStep,
    PromptRequest,
    ReasoningDelta,
    Status,
    TextDelta,
    Tool,
    ToolCall,
    ToolOutput,
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
        self._spoke = False

    async def ask(self, request: PromptRequest, *, with_tools: bool) -> None:
        """Print the answer as it comes.

        Raises:
            InferenceError: there is none, or it broke off behind what was printed.
            TooManySteps: the model does not come to an end.
        """
        async with aclosing(await self._answer(request, with_tools=with_tools)) as events:
            async for event in events:
                self.tally.saw(event)
                await self._tell(event)

    async def _answer(self, request: PromptRequest, *, with_tools: bool) -> AsyncGenerator[Event, None]:
        # What was printed cannot be taken back, so no other model begins anew.
        if not with_tools:
            return answer(self._model, request, restarts=False)
        request = msgspec.structs.replace(request, tools=await self._tools())
        return answer_in_steps(self._model, request, caller=OPERATOR, restarts=False, most_steps=MOST_STEPS)

    async def _tell(self, event: Event) -> None:
        match event:
            case TextDelta(text=text):
                self._spoke = True
                self._terminal.answer(text)
            case ReasoningDelta(text=text) if self._shows_thoughts:
                self._terminal.remark(text, ending="")
            case ToolCall(name=name, arguments=arguments):
                self._terminal.remark(f"→ {name} {arguments}")
            case ToolOutput(text=text):
                self._terminal.remark(f"← {_shown(text)}")
            case NextStep() if self._spoke:
                self._spoke = False
                self._terminal.answer("\n")
            case Status(state=state, elapsed_s=elapsed_s, position=position):
                where = "" if position is None else f", number {position}"
                self._terminal.remark(f"{self._model.name} is {state}{where} ({elapsed_s:.0f} s)")
            case ModelChanged(model_id=other, model_name=name, instead_of=instead_of):
                self.tally.model_changed(await model_named(other))
                self._terminal.remark(f"{instead_of} cannot answer; {name} does.")
            case Finished(reason=FinishReason.LENGTH):
                self._terminal.remark("\nThe answer was longer than its limit and ends here.")
            case Finished(reason=FinishReason.TOOL_CALLS):
                raise TooManySteps

    async def _tools(self) -> tuple[Tool, ...]:
        offered = await toolbox.tools_for(OPERATOR.permissions)
        asking = [tool.name for tool in offered if toolbox.needs_approval(tool.name)]
        if asking:
            self._terminal.remark(f"Not offered, because a person must agree to each call: {', '.join(asking)}.")
        return tuple(tool for tool in offered if tool.name not in asking)


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


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_OF_A_RESULT else f"{text[:_SHOWN_OF_A_RESULT]}… ({len(text)} characters)"


def _plain(text: str) -> str:
    """For terminals, where a space is a space."""
    return text.replace("\N{NO-BREAK SPACE}", " ")
