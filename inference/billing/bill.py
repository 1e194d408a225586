"""A bill: what the calls of one run cost, reserved before each call and settled after it, each exactly once.

    reserve(model, request) ─▶ a call ─▶ ended(…): a line in the ledger, and what was held is what was used
         └─ BudgetSpent: nothing is asked

A call that failed before it took anything has no line, and the next attempt takes its number and what is held for it.
The ledger decides: a line that is there already is never written again, by whomever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import structlog
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from eloquent.foundation.clock import now
from eloquent.foundation.ids import MessageId, RunId, UserId
from eloquent.foundation.membership import groups_of
from eloquent.foundation.telemetry import metrics
from inference import store
from inference.billing.budgets import WARNED_FROM, amount_of, budgets_for, untouched
from inference.billing.current import current_budgets
from inference.billing.errors import BudgetSpent, told
from inference.billing.prices import cost_micros
from inference.billing.types import Budget, BudgetSpending, Outcome, Purpose, Source, Unit, UsageLine, line_id
from inference.offers import OfferedModel
from inference.tokens import estimated_tokens
from inference.types import DEFAULT_OUTPUT_TOKENS, PromptRequest, Usage

log = structlog.get_logger(__name__)

HELD_BEYOND: Final = timedelta(seconds=120)
"""A hold outlives the longest that its call may take by this."""
_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 5.0
_TOKENS_OF_AN_IMAGE: Final = 1_600
"""The most that vendors count for a picture as a rule; it matters where a server does not count."""
_MOST_TOKENS: Final = 2**31 - 1

_Result = TypeVar("_Result")

_settling: set[asyncio.Task[None]] = set()


class Call(NamedTuple):
    """What is known of one call when it is over."""

    model: OfferedModel
    request: PromptRequest
    usage: Usage | None
    """None: the server never said."""
    written: Sequence[str]
    """All that it wrote, thoughts too: counted when the server did not count."""
    outcome: Outcome


class Bill:
    """The bill of one run, completion or title. Its methods are called by one task at a time; `close` is the last.

    Args:
        answer_id: the message that the run writes, where it writes one.
        step: the number of the first call: an answer that goes on in another run has had some.
    """

    def __init__(
        self, user_id: UserId, run_id: RunId, purpose: Purpose, *, answer_id: MessageId | None = None, step: int = 0
    ) -> None:
        self.user_id = user_id
        self.run_id = run_id
        self.purpose = purpose
        self._answer_id = answer_id or run_id
        self.step = step
        """The number of the next call, or of the one at work."""
        self.lines: list[UsageLine] = []
        """What was charged so far, in order; a line is here before it is in the ledger."""
        self.warnings: list[str] = []
        """Sentences for the user about budgets that are nearly spent."""
        self._held: list[tuple[Budget, BudgetSpending]] = []
        self._held_for = ""
        self._settled: asyncio.Task[None] | None = None

    async def reserve(self, model: OfferedModel, request: PromptRequest) -> None:
        """Hold what the next call may cost, in every budget that it is paid from; once, however often it is asked.

        Raises:
            BudgetSpent: one of them has not enough left.
        """
        if self._held and self._held_for != model.id:
            self._release()  # another model answers, at another price
        await self.settled()
        budgets = await budgets_of(self.user_id, model.id)
        held = {budget.id for budget, _ in self._held}
        try:
            for budget in budgets:
                if budget.id not in held:
                    await self._hold(budget, model, request)
        except BaseException:
            self._release()  # whoever is refused, or leaves, holds nothing
            raise

    def ended(self, call: Call, *, held: Sequence[tuple[Budget, BudgetSpending]] | None = None) -> None:
        """Charge a call that took something. Returns at once: `settled` waits until it is in the ledger.

        `held` is where something is held for it, when another bill's hand held it.
        """
        usage = _usage_of(call)
        price = call.model.price
        line = UsageLine(
            id=self._line_id,
            run_id=self.run_id,
            step=self.step,
            purpose=self.purpose,
            user_id=self.user_id,
            model=call.model.id,
            input_tokens=usage.input_tokens or 0,
            cached_input_tokens=usage.cached_input_tokens or 0,
            output_tokens=usage.output_tokens or 0,
            reasoning_tokens=usage.reasoning_tokens or 0,
            cost_micros=None if price is None else cost_micros(usage, price),
            source=Source.REPORTED if usage.reported else Source.ESTIMATED,
            outcome=call.outcome,
            at=now(),
        )
        self.lines.append(line)
        held = self._held if held is None else held
        self._held = []
        self._begin(_settle(line, held))
        self.step += 1

    def close(self) -> None:
        """No other call will be made: what is held for one is given back. Returns at once, as `ended` does."""
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        if held:
            self._begin(_give_back(self._line_id, held))

    async def settled(self) -> None:
        """Return when all that has ended is in the ledger, and what was held for it is given back."""
        if self._settled is not None and not self._settled.done():
            # Shielded: whoever waits may be stopped, and the line is written all the same.
            await asyncio.shield(self._settled)

    @property
    def _line_id(self) -> str:
        return line_id(self._answer_id, self.step, self.purpose)

    async def _hold(self, budget: Budget, model: OfferedModel, request: PromptRequest) -> None:
        moment = now()
        amount = amount_of(_most_of(model, request), model.price, budget.unit)
        fresh = untouched(budget, self.user_id, moment)
        holding = asyncio.create_task(
            store.hold(
                fresh,
                limit=budget.limit,
                key=self._line_id,
                amount=amount,
                until=moment + timedelta(seconds=2 * model.timeouts.total_s) + HELD_BEYOND,
            )
        )
        # Noted before it is known: whoever leaves meanwhile gives back what may be held. What is not costs nothing.
        self._held.append((budget, fresh))
        self._held_for = model.id
        try:
            spending = await asyncio.shield(holding)
        except BaseException:
            self._begin(_over(holding))  # what is given back waits for it
            raise
        if not spending.holds_for(self._line_id):
            raise BudgetSpent(budget, spending, amount=amount, moment=moment)
        self._warn(budget, spending)

    def _begin(self, settling: Coroutine[Any, Any, None]) -> None:
        # What is settled is settled in order: `reserve` waits, and so there is one at a time, but for a release.
        before = self._settled if self._settled is not None and not self._settled.done() else None
        self._settled = asyncio.create_task(_in_order(before, settling), name=f"settle {self._line_id}")
        _settling.add(self._settled)
        self._settled.add_done_callback(_settling.discard)

    def _warn(self, budget: Budget, spending: BudgetSpending) -> None:
        if spending.used >= budget.limit * WARNED_FROM:
            left = max(budget.limit - spending.used, 0)
            self.warnings.append(
                f"“{budget.name}”: {told(left, budget.unit)} of {told(budget.limit, budget.unit)} are left until"
                f" {spending.resets_at:%Y-%m-%d %H:%M} UTC."
            )


async def budgets_of(user_id: UserId, model_id: str) -> list[Budget]:
    """The budgets that an answer of this model to this user is paid from."""
    budgets = await current_budgets()
    if not budgets:
        return []
    asks_groups = any(budget.group_id is not None for budget in budgets)
    groups = await groups_of(user_id) if asks_groups else frozenset()
    return budgets_for(budgets, user_id, groups, model_id)


async def lines_of_answer(answer_id: MessageId, calls: int) -> list[UsageLine]:
    """What the first `calls` calls of the answer cost, in order; without those that cost nothing."""
    ids = [line_id(answer_id, step, Purpose.ANSWER) for step in range(calls)]
    return sorted(await store.usage_lines(ids), key=lambda line: line.step) if ids else []


async def charge_lost(bill: Bill, call: Call) -> None:
    """Charge the call that a dead worker was at, unless that worker did; return when it is in the ledger.

    What was held for it is given back as far as it is known here; the rest when it is overdue (`billing.overdue`).
    """
    held = [
        (budget, untouched(budget, bill.user_id, now())) for budget in await budgets_of(bill.user_id, call.model.id)
    ]
    bill.ended(call, held=held)
    await bill.settled()


async def all_settled() -> None:
    """Return when everything that has ended in this process is in the ledger: before the database is let go of."""
    while _settling:
        await asyncio.wait(list(_settling))


async def _in_order(before: "asyncio.Task[None] | None", settling: Coroutine[Any, Any, None]) -> None:
    if before is not None:
        await asyncio.wait([before])
    await settling


async def _over(task: "asyncio.Task[Any]") -> None:
    """Return when the task is over, however it ended."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # whoever waited for it has left


async def _settle(line: UsageLine, held: Sequence[tuple[Budget, BudgetSpending]]) -> None:
    if await _until_done(lambda: store.add_usage_line(line), line.id):
        metrics.cost_micros.value += line.cost_micros or 0  # once: a late worker and the reaper may both charge a call
    elif held:
        [line] = await _until_done(lambda: store.usage_lines([line.id]), line.id)
    for budget, spending in held:
        await _until_done(lambda: store.settle(spending.id, key=line.id, amount=share_of(line, budget)), line.id)  # noqa: B023


async def _give_back(key: str, held: Sequence[tuple[Budget, BudgetSpending]]) -> None:
    for _, spending in held:
        await _until_done(lambda: store.settle(spending.id, key=key, amount=0), key)  # noqa: B023


def share_of(line: UsageLine, budget: Budget) -> int:
    """What the call takes from the budget, in its unit: nothing when another model answered."""
    if budget.model not in ("", line.model):
        return 0
    return line.tokens if budget.unit is Unit.TOKENS else line.cost_micros or 0


async def _until_done(write: Callable[[], Awaitable[_Result]], key: str) -> _Result:
    """The write's result, however long the database is away. Repeating it is safe: each is done once."""
    wait_s = _RETRY_FIRST_S
    while True:
        try:
            return await write()
        except PyMongoError as error:
            log.warning("usage not written yet", line=key, error=type(error).__name__)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _RETRY_MOST_S)


def _most_of(model: OfferedModel, request: PromptRequest) -> Usage:
    """The most that a call can take, as far as its prompt can be counted here."""
    wanted = request.options.max_output_tokens or model.options.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    return Usage(prompt_tokens(request), min(wanted, model.context_window))


def prompt_tokens(request: PromptRequest) -> int:
    """About how many tokens the model reads: words, calls and their results, tools, a schema, pictures."""
    texts = [message.content for message in request.messages]
    texts += [call.name + call.arguments for message in request.messages for call in message.tool_calls]
    shown = (request.tools, request.options.json_schema)
    texts += [msgspec.json.encode(each).decode() for each in shown if each]
    pictures = sum(len(message.images) for message in request.messages)
    return sum(map(estimated_tokens, texts)) + pictures * _TOKENS_OF_AN_IMAGE


def _usage_of(call: Call) -> Usage:
    """The server's numbers where it told them, ours where it did not."""
    told = _sane(call.usage or Usage())
    if told.reported:
        return told
    input_tokens, output_tokens = told.input_tokens, told.output_tokens
    return replace(
        told,
        input_tokens=prompt_tokens(call.request) if input_tokens is None else input_tokens,
        output_tokens=estimated_tokens("".join(call.written)) if output_tokens is None else output_tokens,
    )


def _sane(told: Usage) -> Usage:
    """The usage without numbers that cannot be: less than nothing, or more than any model has ever read."""
    numbers = {name: getattr(told, name) for name in ("input_tokens", "output_tokens")}
    parts = {name: getattr(told, name) for name in ("cached_input_tokens", "reasoning_tokens")}
    wrong = [
        name for name, value in {**numbers, **parts}.items() if value is not None and not 0 <= value <= _MOST_TOKENS
    ]
    if not wrong:
        return told
    log.error("a server told impossible usage", fields=wrong)
    return replace(told, reported=told.reported and not numbers.keys() & set(wrong), **dict.fromkeys(wrong))
