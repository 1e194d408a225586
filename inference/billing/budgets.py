"""Which budgets an answer is paid from, and what of them it may take. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from bson import ObjectId

from eloquent.foundation.ids import UserId
from eloquent.foundation.membership import GroupIds
from inference.billing.prices import cost_micros
from inference.billing.types import Budget, BudgetSpending, Period, Unit
from inference.types import Price, Usage

WARNED_FROM: Final = 0.8
"""Of a budget: who has spent this share is told."""
KEPT: Final = timedelta(days=400)
"""How long what was spent in a period can be looked up."""
_DECEMBER: Final = 12


class Span(NamedTuple):
    """A period from its first moment to that of the next."""

    starts_at: datetime
    resets_at: datetime


def span_of(period: Period, moment: datetime) -> Span:
    """The day or month of UTC that the moment is in."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return Span(midnight, midnight + timedelta(days=1))
    first = midnight.replace(day=1)
    is_last = first.month == _DECEMBER
    following = first.replace(year=first.year + is_last, month=1 if is_last else first.month + 1)
    return Span(first, following)


def applies(budget: Budget, user_id: UserId, groups: GroupIds) -> bool:
    """Whether the user spends from this budget, on some model at least."""
    if not budget.enabled:
        return False
    if budget.user_id is not None:
        return budget.user_id == user_id
    return budget.group_id is None or budget.group_id in groups


def budgets_for(budgets: Iterable[Budget], user_id: UserId, groups: GroupIds, model: str) -> list[Budget]:
    """Those that an answer of this model to this user is paid from."""
    return [budget for budget in budgets if budget.model in ("", model) and applies(budget, user_id, groups)]


def untouched(budget: Budget, user_id: UserId, moment: datetime) -> BudgetSpending:
    """The budget's spending in the period of the moment, before anything was spent."""
    span = span_of(budget.period, moment)
    subject: ObjectId | str = "all" if budget.shared else user_id
    return BudgetSpending(
        id=f"{budget.id}:{subject}:{span.starts_at:%Y-%m-%d}",
        budget_id=budget.id,
        user_id=None if budget.shared else user_id,
        starts_at=span.starts_at,
        resets_at=span.resets_at,
        expires_at=span.resets_at + KEPT,
    )


def amount_of(usage: Usage, price: Price | None, unit: Unit) -> int:
    """What the tokens take from a budget. Money for tokens without a price is 0."""
    if unit is Unit.TOKENS:
        return (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return 0 if price is None else cost_micros(usage, price)
