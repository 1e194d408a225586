"""What one call takes, seen from beside it: its events as they pass, and how it ended."""

import asyncio

from inference.billing.bill import Bill, Call
from inference.billing.types import Outcome
from inference.errors import InferenceError, ModelTimeout
from inference.offers import OfferedModel
from inference.types import Event, Finished, PromptRequest, ReasoningDelta, Status, TextDelta, ToolCall, Usage


class Meter:
    """Reserves one call on the bill and charges it when it took something. Without a bill it does nothing."""

    __slots__ = ("_begun", "_bill", "_finished", "_model", "_request", "_usage", "_waits", "_written")

    def __init__(self, bill: Bill | None, model: OfferedModel, request: PromptRequest) -> None:
        self._bill = bill
        self._model = model
        self._request = request
        self._begun = self._finished = self._waits = False
        self._usage: Usage | None = None
        self._written: list[str] = []

    async def reserve(self) -> None:
        """Before the call.

        Raises:
            BudgetSpent: it must not be made.
        """
        if self._bill is not None:
            await self._bill.reserve(self._model, self._request)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                # The driver may swallow a cancellation that comes just when a connection is ready: so does wait_for of
                # Python 3.11. Whoever has left must not have a model write for nobody.
                raise asyncio.CancelledError

    def saw(self, event: Event) -> None:
        """The next event of the call."""
        if isinstance(event, TextDelta | ReasoningDelta):
            self._begun = True
            self._written.append(event.text)
        elif isinstance(event, Status):
            self._waits = True
            return
        elif isinstance(event, ToolCall):
            self._begun = True
            self._written += [event.name, event.arguments]
        elif isinstance(event, Finished):
            self._finished, self._usage = True, event.usage
        self._waits = False

    def ended(self, failure: InferenceError | None) -> None:
        """The call is over: by itself, by a failure, or because whoever read it left (None, and not finished).

        A call that was refused took nothing, nor did one that was left, or given up, while its model was being loaded.
        One that was left, or given up, while the model was silent was reading the prompt: that is charged, as an
        estimate.
        """
        if self._bill is None:
            return
        if self._finished:
            outcome = Outcome.COMPLETE
        elif failure is not None:
            if not self._begun and (self._waits or not isinstance(failure, ModelTimeout)):
                return
            outcome = Outcome.FAILED
        elif self._waits and not self._begun:
            return
        else:
            outcome = Outcome.STOPPED
        self._bill.ended(Call(self._model, self._request, self._usage, self._written, outcome))
