"""Vectors for programs: of whom, how many at once, and on whose bill. Nothing is stored."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from bson import ObjectId

from chat.errors import Draining, TooManyCompletions
from eloquent.foundation import lifecycle
from eloquent.foundation.ids import UserId
from inference.billing.bill import Bill
from inference.billing.types import Purpose
from inference.embeddings import embed
from inference.offers import OfferedModel
from inference.providers.base import Vectors

MOST_AT_ONCE_OF_A_USER: Final = 8

_at_work: Final[Counter[UserId]] = Counter()


async def vectors_for(owner: UserId, model: OfferedModel, texts: Sequence[str]) -> Vectors:
    """One vector for each text, in order, charged to the owner.

    Raises:
        Draining: the process is on its way out.
        TooManyCompletions: the owner has as many at once as one may.
        InferenceError: the model's server made none.
        BudgetSpent: the owner has not enough left.
    """
    if lifecycle.is_draining():
        raise Draining(retry_after_s=5)
    if _at_work[owner] >= MOST_AT_ONCE_OF_A_USER:
        raise TooManyCompletions(retry_after_s=1)
    bill = Bill(owner, ObjectId(), Purpose.EMBEDDING)
    _at_work[owner] += 1
    try:
        return await embed(model, texts, bill=bill)
    finally:
        bill.close()
        _at_work[owner] -= 1
        if not _at_work[owner]:
            del _at_work[owner]
