"""What a language model is asked for one answer: what it is shown, how it generates, and what it may call."""

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import msgspec

from chat.context import Prompt
from chat.tool_choice import NO_TOOLS, Toolkit
from inference.billing.bill import Bill
from inference.billing.types import UsageLine
from inference.offers import OfferedModel
from inference.router import answer, require_room
from inference.steps import MOST_STEPS, PausedStep, answer_in_steps, go_on
from inference.tools.toolbox import needs_approval
from inference.types import Event, GenerationOptions, PromptRequest


class Before(NamedTuple):
    """What there was of an answer that goes on: the step that waited, how many there were, and what they cost."""

    paused: PausedStep
    steps: int
    lines: tuple[UsageLine, ...]


class Resumption(msgspec.Struct, frozen=True):
    """What an answer that waits for the user is kept with, so that it goes on as it was asked for."""

    options: GenerationOptions
    tools: tuple[str, ...]


class Generation(NamedTuple):
    """An answer's question to a language model. `before` is for one that goes on."""

    model: OfferedModel
    prompt: Prompt
    options: GenerationOptions
    toolkit: Toolkit = NO_TOOLS
    before: Before | None = None

    @property
    def request(self) -> PromptRequest:
        """What the model is asked first."""
        return PromptRequest(self.model.id, self.prompt.messages, self.options, tools=self.toolkit.tools)

    async def reserve(self, bill: Bill) -> None:
        """Hold what the answer may cost.

        Raises:
            BudgetSpent: there is not enough left for it.
            ModelBusy: the queue of its model is full, and no other model would answer.
        """
        if not self.model.fallbacks:
            await require_room(self.model)
        await bill.reserve(self.model, self.request)

    def events(self, bill: Bill) -> AsyncGenerator[Event, None]:
        """The answer as it comes, each call on the bill."""
        caller = self.toolkit.caller
        if self.before is not None:
            left = max(MOST_STEPS - self.before.steps, 1)
            return go_on(self.model, self.request, self.before.paused, caller=caller, bill=bill, most_steps=left)
        if not self.toolkit.tools:
            return answer(self.model, self.request, bill=bill)
        return answer_in_steps(self.model, self.request, caller=caller, bill=bill)

    @property
    def may_wait(self) -> bool:
        """Whether the user may be asked about a call."""
        return any(needs_approval(tool.name) for tool in self.toolkit.tools)

    @property
    def resumption(self) -> dict[str, Any]:
        """A `Resumption` as a document."""
        tools = tuple(tool.name for tool in self.toolkit.tools)
        return dict(msgspec.to_builtins(Resumption(self.options, tools)))
