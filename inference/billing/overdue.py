"""Gives back what is held for calls that cannot be at work any more, because their worker died in an ill moment.

The ledger says what such a call took: its line, or nothing.
"""

import asyncio
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from eloquent.foundation.clock import now
from inference import store
from inference.billing.bill import share_of

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 30.0
_AT_ONCE: Final = 100


async def look_after_holds() -> None:
    """Look every half a minute until cancelled."""
    while True:
        try:
            await give_back_overdue()
        except PyMongoError as error:
            log.warning("overdue holds wait for the database", error=type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_S)


async def give_back_overdue() -> None:
    """Settle every hold that is overdue, once, by what the ledger has of its call."""
    moment = now()
    overdue = await store.overdue_spending(moment, limit=_AT_ONCE)
    if not overdue:
        return
    budgets = {budget.id: budget for budget in await store.budgets()}
    for spending in overdue:
        keys = [hold["key"] for hold in spending.holds if hold["until_ms"] < moment.timestamp() * 1000]
        lines = {line.id: line for line in await store.usage_lines(keys)}
        budget = budgets.get(spending.budget_id)
        for key in keys:
            line = lines.get(key)
            amount = 0 if line is None or budget is None else share_of(line, budget)
            await store.settle(spending.id, key=key, amount=amount)
            log.info("an overdue hold was given back", line=key, charged=amount)
