"""The ledger: one line for each call of a language model."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pymongo.errors import DuplicateKeyError

from eloquent.foundation import group_commit
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import NOBODY
from inference.billing.types import DaysUsage, Outcome, Purpose, Source, UsageLine

USAGE: Final = "usage"
_AT_ONCE: Final = 500


async def add_usage_line(line: UsageLine) -> bool:
    """Write the line without waiting for the journal; False when the call has one already, which stays as it is.

    Whoever must not go on before it is safe writes something that waits for the journal afterwards: the oplog keeps
    the order.
    """
    try:
        await group_commit.insert(USAGE, [document_of(line)], soon=True)
    except DuplicateKeyError:
        return False
    return True


async def usage_lines(ids: Sequence[str]) -> list[UsageLine]:
    """The lines among these ids, in no order."""
    found = database()[USAGE].find({"_id": {"$in": list(ids)}}, batch_size=len(ids) + 1)
    return [_line_from(document) for document in await found.to_list()]


async def usage_by_day(owner: UserId, *, since: datetime, until: datetime) -> list[DaysUsage]:
    """What the owner spent from `since` to before `until`, for each day of UTC and model, in no order."""
    day = {"$dateToString": {"date": "$at", "format": "%Y-%m-%d"}}
    pipeline = [
        {"$match": {"user_id": owner, "at": {"$gte": since, "$lt": until}}},
        {
            "$group": {
                "_id": {"day": day, "model": "$model"},
                "calls": {"$sum": 1},
                "input_tokens": {"$sum": "$input_tokens"},
                "output_tokens": {"$sum": "$output_tokens"},
                "cost_micros": {"$sum": "$cost_micros"},
            }
        },
    ]
    cursor = await database()[USAGE].aggregate(pipeline)
    return [
        DaysUsage(day=document["_id"]["day"], model=document["_id"]["model"], **_counts(document))
        for document in await cursor.to_list()
    ]


async def usage_lines_of(owner: UserId, *, after: UsageLine | None, limit: int) -> list[UsageLine]:
    """The owner's lines, newest first, those older than `after`."""
    query: Document = {"user_id": owner}
    if after is not None:
        # The range on the time bounds the index scan; the rest breaks ties between lines of one millisecond.
        query["at"] = {"$lte": after.at}
        query["$or"] = [{"at": {"$lt": after.at}}, {"_id": {"$lt": after.id}}]
    found = database()[USAGE].find(query, limit=limit, batch_size=limit + 1).sort([("at", -1), ("_id", -1)])
    return [_line_from(document) for document in await found.to_list()]


async def anonymise_usage(owner: UserId) -> int:
    """Take the owner out of some of their lines, whose amounts stay; how many, 0 when none is left."""
    found = database()[USAGE].find({"user_id": owner}, {"_id": True}, limit=_AT_ONCE, batch_size=_AT_ONCE + 1)
    ids = [document["_id"] for document in await found.to_list()]
    if not ids:
        return 0
    changed = await database()[USAGE].update_many(
        {"_id": {"$in": ids}, "user_id": owner}, {"$set": {"user_id": NOBODY}}
    )
    return changed.modified_count


def _line_from(document: Document) -> UsageLine:
    words = {
        "purpose": Purpose(document["purpose"]),
        "source": Source(document["source"]),
        "outcome": Outcome(document["outcome"]),
    }
    return known_value_of(UsageLine, {**document, **words})


def _counts(document: Document) -> dict[str, int]:
    # A sum beyond 31 bits comes as a number of another type.
    return {name: int(value) for name, value in document.items() if name != "_id"}
