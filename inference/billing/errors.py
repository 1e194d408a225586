"""What is said when a budget is spent."""

import math
from datetime import datetime

from inference.billing.types import Budget, BudgetSpending, Period, Unit
from inference.errors import InferenceError

_MILLION = 1_000_000


class BudgetSpent(InferenceError):
    """What a budget has left is not enough for this answer. Nothing was asked, and nothing is charged."""

    code = "budget_spent"
    status = 429

    def __init__(self, budget: Budget, spending: BudgetSpending, *, amount: int, moment: datetime) -> None:
        used, held, resets_at = spending.used, spending.held, spending.resets_at
        left = max(budget.limit - used - held, 0)
        span = "day" if budget.period is Period.DAY else "month"
        waiting = f" Answers being written may take {told(held, budget.unit)} of it." if held else ""
        super().__init__(
            f"“{budget.name}” has {told(left, budget.unit)} of {told(budget.limit, budget.unit)} left for this {span},"
            f" and this answer may take {told(amount, budget.unit)}.{waiting} It begins anew on"
            f" {resets_at:%Y-%m-%d at %H:%M} UTC.",
            retry_after_s=math.ceil((resets_at - moment).total_seconds()),
            budget={
                "name": budget.name,
                "unit": budget.unit.value,
                "period": budget.period.value,
                "limit": budget.limit,
                "used": used,
                "held": held,
                "needed": amount,
                "resets_at": resets_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )


def told(amount: int, unit: Unit) -> str:
    """The amount as people read it: whole tokens, or money to the cent, or to more where there is less than one."""
    if unit is Unit.TOKENS:
        return f"{amount:,} tokens" if amount != 1 else "1 token"
    value = amount / _MILLION
    return f"{value:,.2f}" if amount == 0 or value >= 0.01 else f"{value:.6f}"  # noqa: PLR2004  (a cent)
