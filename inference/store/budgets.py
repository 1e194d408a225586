"""Budgets and what is spent of them. Whatever changes a spending is one atomic command, so workers need no lock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of
from inference.billing.types import MOST_BUDGETS, Budget, BudgetSpending, Period, Unit

BUDGETS: Final = "budgets"
SPENDING: Final = "budget_spending"


async def budgets() -> list[Budget]:
    """All that are enabled, by name; the console keeps them below `MOST_BUDGETS`."""
    order = [("name", ASCENDING), ("_id", ASCENDING)]
    found = database()[BUDGETS].find({"enabled": True}, sort=order, limit=MOST_BUDGETS, batch_size=MOST_BUDGETS + 1)
    return [_budget_from(document) for document in await found.to_list()]


async def hold(untouched: BudgetSpending, *, limit: int, key: str, amount: int, until: datetime) -> BudgetSpending:
    """Hold the amount for the call `key` if what is used and held leaves room for it below the limit.

    `untouched` is the spending as it is before anything is spent; it is written when this is the first. Returns it as
    it is afterwards: whether there was room is `holds_for(key)`. Asked again for the same call it changes nothing.
    """
    document = document_of(untouched)
    identifier = document.pop("_id")
    first = {name: {"$ifNull": [f"${name}", value]} for name, value in document.items() if value is not None}
    has_room = {"$lte": [{"$add": ["$used", {"$sum": "$holds.amount"}, amount]}, limit]}
    one = [{"key": key, "amount": amount, "until_ms": int(until.timestamp() * 1000)}]
    change = [
        {"$set": {**first, "user_id": document["user_id"]}},
        {
            "$set": {
                "holds": {
                    "$cond": [
                        {"$and": [has_room, {"$not": [{"$in": [key, "$holds.key"]}]}]},
                        {"$concatArrays": ["$holds", one]},
                        "$holds",
                    ]
                }
            }
        },
        _NEXT_END,
    ]
    try:
        changed = await _changed(identifier, change)
    except DuplicateKeyError:
        changed = await _changed(identifier, change)  # two were the first at once: by now it is there
    return known_value_of(BudgetSpending, changed)


async def settle(spending_id: str, *, key: str, amount: int) -> bool:
    """Turn what is held for the call into what it used; False when nothing is held for it: it was settled before."""
    result = await database()[SPENDING].update_one(
        {"_id": spending_id, "holds.key": key},
        [
            {
                "$set": {
                    "used": {"$add": ["$used", amount]},
                    "holds": {"$filter": {"input": "$holds", "cond": {"$ne": ["$$this.key", key]}}},
                }
            },
            _NEXT_END,
        ],
    )
    return result.modified_count == 1


async def spending_of(ids: Sequence[str]) -> list[BudgetSpending]:
    """The spendings among these ids, in no order; those of which nothing was spent are not there."""
    found = database()[SPENDING].find({"_id": {"$in": list(ids)}}, batch_size=len(ids) + 1)
    return [known_value_of(BudgetSpending, document) for document in await found.to_list()]


async def overdue_spending(moment: datetime, *, limit: int) -> list[BudgetSpending]:
    """At most `limit` spendings with a hold that no call at work can have any more, the longest overdue first."""
    found = database()[SPENDING].find(
        {"next_end_at": {"$lt": moment}}, sort=[("next_end_at", ASCENDING)], limit=limit, batch_size=limit + 1
    )
    return [known_value_of(BudgetSpending, document) for document in await found.to_list()]


def _budget_from(document: Document) -> Budget:
    words = {"period": Period(document["period"]), "unit": Unit(document["unit"])}
    return known_value_of(Budget, {**document, **words})


async def _changed(identifier: str, change: list[dict[str, Any]]) -> dict[str, Any]:
    changed = await database()[SPENDING].find_one_and_update(
        {"_id": identifier}, change, upsert=True, return_document=ReturnDocument.AFTER
    )
    if changed is None:
        raise AssertionError("an upsert returns what it wrote")
    return changed


_NEXT_END: Final[dict[str, Any]] = {"$set": {"next_end_at": {"$toDate": {"$min": "$holds.until_ms"}}}}
