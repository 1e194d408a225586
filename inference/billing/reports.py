"""What a user has spent, and has left."""

from datetime import datetime, timedelta
from typing import NamedTuple

from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId
from eloquent.foundation.membership import groups_of
from inference import store
from inference.billing.budgets import applies, span_of, untouched
from inference.billing.types import Budget, BudgetSpending, DaysUsage, Period


class BudgetState(NamedTuple):
    """A budget, and what is spent of it in the period of today."""

    budget: Budget
    spending: BudgetSpending


class UsageReport(NamedTuple):
    """Every day of the report (YYYY-MM-DD, the oldest first) with what each model took; and the user's budgets."""

    days: list[tuple[str, list[DaysUsage]]]
    budgets: list[BudgetState]


async def usage_report_of(user_id: UserId, *, days: int) -> UsageReport:
    """The last `days` days of UTC, today with them."""
    moment = now()
    today = span_of(Period.DAY, moment)
    since = today.starts_at - timedelta(days=days - 1)
    spent = await store.usage_by_day(user_id, since=since, until=today.resets_at)
    by_day: dict[str, list[DaysUsage]] = {f"{since + timedelta(days=number):%Y-%m-%d}": [] for number in range(days)}
    for each in spent:
        by_day[each.day].append(each)
    return UsageReport(list(by_day.items()), await _budgets_of(user_id, moment))


async def _budgets_of(user_id: UserId, moment: datetime) -> list[BudgetState]:
    budgets = await store.budgets()
    if not budgets:
        return []
    groups = await groups_of(user_id)
    fresh = {budget.id: untouched(budget, user_id, moment) for budget in budgets if applies(budget, user_id, groups)}
    spent = {spending.id: spending for spending in await store.spending_of([each.id for each in fresh.values()])}
    return [
        BudgetState(budget, spent.get(fresh[budget.id].id, fresh[budget.id]))
        for budget in budgets
        if budget.id in fresh
    ]
